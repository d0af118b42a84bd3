"""What cards and README say was measured with the shipped weights: the same in both, and true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import facesr_bench
from facesr_bench.plugins import registry
from facesr_bench.plugins.cards import MeasuredCard

ROOT = Path(__file__).resolve().parents[2]
DATA = {"helen-x8": ("helen", "helen_test"), "lfw-x8": ("lfw", "lfw_heldout")}


def claims(method: str) -> dict[str, MeasuredCard]:
    found = registry.methods().get(method).require_card().weights["bundled"].measured
    return {claim.protocol: claim for claim in found}


@pytest.mark.parametrize("protocol", list(DATA))
@pytest.mark.parametrize("method", ["sparnet", "sparnet-light-3d", "edsr", "srcnn", "bicubic"])
def test_readme_says_what_the_card_says(method: str, protocol: str) -> None:
    claim = claims("sparnet" if method == "bicubic" else method)[protocol]
    table = (ROOT / "README.md").read_text().partition(f"**{protocol}**, n = {claim.n}")[2]
    row = next(line for line in table.splitlines() if line.startswith(f"| {method} |"))
    told = [tuple(float(number) for number in re.findall(r"[0-9.]+", cell)) for cell in row.strip("|").split("|")[1:]]
    assert told == list((claim.bicubic if method == "bicubic" else claim.values).values())


@pytest.mark.parametrize("method", ["sparnet", "sparnet-light-3d", "edsr", "srcnn"])
def test_claims_are_of_the_same_images_and_clear(method: str) -> None:
    for protocol, claim in claims(method).items():
        dataset = registry.datasets().get(DATA[protocol][0]).require_card()
        assert claim.n == dataset.protocols[protocol].expected_count
        assert claim.values.keys() == claim.bicubic.keys()


@pytest.mark.parametrize(
    "method",
    [*(pytest.param(name, marks=pytest.mark.full) for name in ("sparnet", "sparnet-light-3d")), "edsr", "srcnn"],
)
def test_psnr_and_ssim_are_measured_again(method: str, shared: Path, tmp_path: Path) -> None:
    """All of helen-x8: more than a minute for the two large ones, whose pictures `check` holds against baselines."""
    claim = claims(method)["helen-x8"]
    frame = facesr_bench.run(
        [f"{method}@bundled"],
        ["helen-x8"],
        data={"helen": shared / "faces" / "helen_test"},
        metrics=["psnr", "ssim"],
        profile=claim.profile,
        out=tmp_path / "results",
    ).frame
    (row,) = frame.to_dict("records")
    assert row["n"] == claim.n
    # Written to two and four decimals; other processors differ in the last bits of fp32.
    assert row["psnr"] == pytest.approx(claim.values["psnr"][0], abs=0.006)
    assert row["ssim"] == pytest.approx(claim.values["ssim"][0], abs=0.0001)
