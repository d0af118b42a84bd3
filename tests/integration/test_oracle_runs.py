"""Real runs on the Helen test split, where it lies beside the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

import facesr_bench

N = 24


@pytest.fixture(scope="module")
def table(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """PSNR and SSIM by method on the first images of helen-x8."""
    scores = facesr_bench.run(
        ["sparnet", "bicubic", "bicubic-matlab", "lanczos", "bilinear", "nearest"],
        ["helen-x8"],
        data={"helen": shared / "faces" / "helen_test"},
        limit=N,
        out=tmp_path_factory.mktemp("results"),
    )
    frame = scores.frame
    assert list(frame["n"]) == [N] * 6 and scores.problems == ()
    return {row["method"]: {"psnr": row["psnr"], "ssim": row["ssim"]} for _, row in frame.iterrows()}


def test_bundled_sparnet_beats_bicubic_clearly(table: dict[str, dict[str, float]]) -> None:
    assert table["sparnet"]["psnr"] - table["bicubic"]["psnr"] >= 1.2
    assert table["sparnet"]["ssim"] - table["bicubic"]["ssim"] >= 0.05


def test_interpolation_ranks_as_it_must(table: dict[str, dict[str, float]]) -> None:
    order = sorted(set(table) - {"sparnet"}, key=lambda name: table[name]["psnr"])
    assert order[:2] == ["nearest", "bilinear"]
    assert abs(table["bicubic"]["psnr"] - table["bicubic-matlab"]["psnr"]) < 0.1
