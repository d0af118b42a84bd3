"""Published numbers: the shipped file, its validation, and where they may be shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from facesr_bench.base.errors import CardError
from facesr_bench.base.grammar import Column
from facesr_bench.cli import main
from facesr_bench.data.protocols import find_protocol
from facesr_bench.plugins.profile import get_profile
from facesr_bench.plugins.registry import methods, metrics
from facesr_bench.report import site
from facesr_bench.report.published import read_anchors
from facesr_bench.report.tables.render import Options, render
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
    assert len(shipped.anchors) == 65
    for anchor in shipped.anchors:
        _, protocol = find_protocol(anchor.protocol)
        assert protocol.expected_count == anchor.n
        assert get_profile(anchor.profile)
        assert {Column.parse(name).name for name in anchor.values} <= set(metrics().names())
        assert 20 < anchor.values["psnr"] < 30 and 0.6 < anchor.values.get("ssim", 0.7) < 0.9
        assert anchor.same_as is None or methods().get(anchor.same_as).require_card().parameters == 0


def test_the_known_figures() -> None:
    numbers = {
        (a.protocol, a.profile, a.label): (a.values["psnr"], a.values.get("ssim")) for a in read_anchors().anchors
    }
    assert numbers["helen-dic-x8", "sparnet", "SPARNet (released)"] == (27.43, 0.8201)
    assert numbers["helen-dic-x8", "sparnet", "SPARNet (in paper)"] == (26.97, 0.8026)
    assert numbers["helen-dic-x8", "sfmnet", "SPARNet"] == (26.95, 0.8029)
    assert numbers["celeba-dic-x8", "sfmnet", "RE-SFMNet"] == (27.70, 0.8126)


def test_an_anchor_of_an_archive_stands_beside_that_archive_alone() -> None:
    """The same faces under three names: each bicubic row is of its own pictures."""
    bicubic = {a.protocol: a.values["psnr"] for a in read_anchors().anchors if a.label == "Bicubic"}
    assert bicubic["helen-ctcnet-x8"] == 22.95
    assert bicubic["helen-dic-x8"] == 23.88
    assert bicubic["helen-hybrimamba-x8"] == 24.07
    (row,) = [a for a in read_anchors().anchors if a.label == "Input"]
    networks = {"lpips@vgg": 0.4866, "fid[pytorch-fid:ffhq512]": 143.98, "identity-vqfr": 47.94, "lmd": 3.76}
    assert row.values == {"psnr": 25.35, "ssim": 0.6848, **networks}


CHECKED = ANCHOR.replace('"Net"', '"Bicubic"').replace("values", 'same_as = "bicubic"\nvalues')


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        (26.45, 26.5, "PSNR 26.50 there, 26.45 here (bicubic): the pictures agree"),
        (26.6, 26.5, "PSNR 26.50 there, 26.60 here (bicubic): the pictures agree"),
        (26.61, 26.5, "WARNING: 0.11 dB apart, more than 0.1: crops or resizers differ before any network does"),
        (24.0, 26.5, "WARNING: 2.50 dB apart"),
    ],
)
def test_a_papers_own_bicubic_row_is_compared_with_ours(tmp_path: Path, here: float, there: float, said: str) -> None:
    path = tmp_path / "anchors.toml"
    path.write_text(SOURCE + CHECKED)
    card = manifest(protocol="toy-x8", total=1)
    (found,) = groups(summarise([write_result(tmp_path, card, scored({"a": {"psnr": here}}))]))
    ((anchor, text),) = read_anchors(path).checks(found)
    assert (anchor.values["psnr"], said in text) == (there, True), text


def test_a_papers_bicubic_row_without_ours_says_how_to_make_it(tmp_path: Path) -> None:
    path = tmp_path / "anchors.toml"
    path.write_text(SOURCE + CHECKED)
    card = manifest("net", protocol="toy-x8", total=1)
    (found,) = groups(summarise([write_result(tmp_path, card, scored({"a": {"psnr": 20.0}}))]))
    ((_, text),) = read_anchors(path).checks(found)
    assert "run --methods bicubic" in text


def test_the_warning_stands_in_every_table_and_on_the_page(tmp_path: Path) -> None:
    card = manifest(protocol="helen-dic-x8", profile="sfmnet", total=1)
    result = write_result(tmp_path, card, scored({"a": {"psnr": 24.5, "ssim": 0.66}}), pictures=True)
    rows = summarise([result])
    for kind in ("csv", "markdown", "latex", "html"):
        assert "0.62 dB apart" in render(rows, kind, Options(published=True)), kind
        assert "dB apart" not in render(rows, kind, Options()), kind
    assert "0.62 dB apart" in site.build(tmp_path).read_text()


def test_where_nothing_applies_it_is_said_what_has_published_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = read_anchors()
    text = shipped.elsewhere(group(tmp_path / "1", "demo-x8", "sparnet"))
    assert "nothing published for demo-x8" in text
    assert {f"{a.protocol} (" in text for a in shipped.anchors} == {True}
    assert "under sfmnet, sparnet" in shipped.elsewhere(group(tmp_path / "2", "helen-dic-x8", "dic"))
    assert "of the whole set" in shipped.elsewhere(group(tmp_path / "3", "helen-dic-x8", "sparnet", total=2))
    assert not shipped.elsewhere(group(tmp_path / "4", "helen-dic-x8", "sparnet"))
    assert main(["table", "--results", str(tmp_path / "1"), "--with-published"]) == 0
    assert "note: nothing published for demo-x8" in capsys.readouterr().err


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
