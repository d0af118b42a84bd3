"""Published numbers: the shipped file, its validation, and where they may be shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from facesr_bench.base.errors import CardError
from facesr_bench.data.protocols import find_protocol
from facesr_bench.plugins.profile import get_profile
from facesr_bench.plugins.registry import metrics
from facesr_bench.report.published import read_anchors
from facesr_bench.results.leaderboard import Group, groups
from facesr_bench.results.summary import summarise
from tests.report_fixtures import manifest, scored, write_result

SOURCE = """
schema_version = 1
[sources.paper]
title = "A paper"
url = "https://example.org"
"""
ANCHOR = """
[[anchors]]
protocol = "toy-x8"
profile = "sparnet"
n = 3
source = "paper"
method = "Net"
weights = "not stated"
training_data = "not stated"
values = { psnr = 26.5 }
"""


def group(tmp_path: Path, protocol: str, profile: str, total: int = 1) -> Group:
    card = manifest(protocol=protocol, profile=profile, total=total)
    return groups(summarise([write_result(tmp_path, card, scored({"a": {"psnr": 20.0, "ssim": 0.5}}))]))[0]


def test_shipped_anchors_name_what_exists() -> None:
    """Every protocol, profile and metric is one of ours, and n the protocol's count."""
    shipped = read_anchors()
    assert len(shipped.anchors) == 22
    for anchor in shipped.anchors:
        _, protocol = find_protocol(anchor.protocol)
        assert protocol.expected_count == anchor.n
        assert get_profile(anchor.profile)
        assert set(anchor.values) <= set(metrics().names())
        assert 20 < anchor.values["psnr"] < 30 and 0.6 < anchor.values["ssim"] < 0.9


def test_the_known_figures() -> None:
    numbers = {(a.protocol, a.profile, a.label): (a.values["psnr"], a.values["ssim"]) for a in read_anchors().anchors}
    assert numbers["helen-dic-x8", "sparnet", "SPARNet (released)"] == (27.43, 0.8201)
    assert numbers["helen-dic-x8", "sparnet", "SPARNet (in paper)"] == (26.97, 0.8026)
    assert numbers["helen-dic-x8", "sfmnet", "SPARNet"] == (26.95, 0.8029)
    assert numbers["celeba-dic-x8", "sfmnet", "RE-SFMNet"] == (27.70, 0.8126)


def test_shown_only_where_protocol_and_profile_agree(tmp_path: Path) -> None:
    shipped = read_anchors()
    assert len(shipped.of(group(tmp_path / "1", "helen-dic-x8", "sparnet"))) == 4
    assert len(shipped.of(group(tmp_path / "2", "helen-dic-x8", "sfmnet"))) == 9
    assert not shipped.of(group(tmp_path / "3", "helen-dic-x8", "dic"))
    assert not shipped.of(group(tmp_path / "4", "helen-x8", "sparnet")), "330 images are not DIC's 50"


def test_not_beside_a_part_of_the_set(tmp_path: Path) -> None:
    assert not read_anchors().of(group(tmp_path, "helen-dic-x8", "sparnet", total=2))


def test_only_with_a_metric_of_the_group(tmp_path: Path) -> None:
    path = tmp_path / "anchors.toml"
    path.write_text(SOURCE + ANCHOR.replace("psnr", "fid"))
    assert not read_anchors(path).of(group(tmp_path, "toy-x8", "sparnet"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('source = "paper"', 'source = "elsewhere"', "source 'elsewhere' is not one of"),
        ("n = 3", "n = 0", "anchors.0.n"),
        ("values = { psnr = 26.5 }", "", "anchors.0.values"),
        ("values = { psnr = 26.5 }", "values = {}", "anchors.0.values"),
        ('training_data = "not stated"', "", "anchors.0.training_data"),
        ("n = 3", "n = 3\ncolour = 1", "unknown field"),
        ("schema_version = 1", "schema_version = 2", "schema_version"),
        ("https://example.org", "somewhere", "sources.paper.url"),
        (ANCHOR, ANCHOR + ANCHOR, "given twice"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "anchors.toml"
    assert old in SOURCE + ANCHOR
    path.write_text((SOURCE + ANCHOR).replace(old, new))
    with pytest.raises(CardError, match=message) as caught:
        read_anchors(path)
    assert str(path) in str(caught.value)
