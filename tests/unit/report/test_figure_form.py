"""The form of figures: both colour schemes, a paper's width and letters, no title; and the numbers behind a plot."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from facesr_bench import cli
from facesr_bench.base.errors import ResultsError
from facesr_bench.report.figures import form, style
from facesr_bench.report.figures.data import distribution_table, parallel_table, tradeoff_table, training_table
from facesr_bench.report.figures.form import COLUMN, INKS, PAGE, Form, in_dark, in_form, read_width, words_of
from facesr_bench.report.figures.plots import tradeoff
from facesr_bench.report.figures.style import to_bytes
from facesr_bench.report.figures.training import training
from facesr_bench.results.comparison import compare
from facesr_bench.results.leaderboard import Group, groups
from facesr_bench.results.summary import per_image_values, summarise
from facesr_bench.results.training import Stage, Training
from tests.report_fixtures import DRAWN as FIGURES
from tests.report_fixtures import LPIPS, NME, PSNR, SSIM, manifest, scored, write_result
from tests.stored import newest_results

if TYPE_CHECKING:
    pass

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = {"psnr": PSNR, "ssim": SSIM, "lpips": LPIPS, "nme": NME}
IDS = [f"face {i}" for i in range(24)]
TRAINED = Training(
    stages=(
        Stage(name="a", bicubic=23.0, psnr=((10, 22.5), (20, 24.0)), losses={"l1": ((10, 0.2), (20, 0.1))}),
        Stage(name="b", bicubic=23.0, psnr=((5, 24.5),), losses={"l1": ((5, 0.05),)}),
    )
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two methods, the first with parameters, 24 images with pictures."""
    for name, base in (("good", 26.0), ("poor", 22.0)):
        psnr = base + np.random.default_rng(len(name)).normal(0, 1, len(IDS))
        values = {
            i: {"psnr": p, "ssim": p / 50, "lpips": 4 / p, "nme": 150 / p}
            for i, p in zip(IDS, psnr.tolist(), strict=True)
        }
        write_result(tmp_path, manifest(name, metrics=METRICS, total=len(IDS)), scored(values), pictures=True)
    return tmp_path


@pytest.fixture
def group(root: Path) -> Group:
    return groups(summarise(newest_results(root)))[0]


DRAWN: dict[str, Callable[[Group], Figure]] = {**FIGURES, "training": lambda _: training(TRAINED)}
PLOTS = ["distribution", "ecdf", "tradeoff", "curve", "parallel", "training"]


def without_ids(svg: str) -> str:
    """Markers are called after a hash of what they look like."""
    names = {name: f"m{place}" for place, name in enumerate(dict.fromkeys(re.findall(r'id="(m[0-9a-f]{10})"', svg)))}
    return re.sub(r"\bm[0-9a-f]{10}\b", lambda found: names[found[0]], svg)


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_in_the_other_scheme_is_the_one_drawn_so(group: Group, name: str) -> None:
    with in_form(Form(transparent=True)):
        light = to_bytes(DRAWN[name](group), "svg").decode()
    with in_form(Form(transparent=True, scheme="dark")):
        dark = to_bytes(DRAWN[name](group), "svg").decode()
    assert light != dark and without_ids(in_dark(light)) == without_ids(dark)
    assert INKS["light"].text in light and INKS["light"].text not in dark
    fills = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", light))
    assert not {"#000000", "#ffffff"} & fills - {INKS["light"].ground}, "ink that changes with no scheme"
    assert not re.search(r"<text style=\"(?![^\"]*fill: )", light), "black by default, unseen on a dark page"


def test_no_colour_of_a_method_is_that_of_ink() -> None:
    from matplotlib.colors import to_hex

    inks = {colour for ink in INKS.values() for colour in vars(ink).values()}
    assert len(inks) == 12
    assert not inks & {to_hex(colour) for colour in style.palette()}


def test_the_palette_is_seaborns_but_for_two() -> None:
    import seaborn

    differ = [
        pair
        for pair in zip(seaborn.color_palette("colorblind").as_hex(), style.PALETTE, strict=True)
        if len(set(pair)) > 1
    ]
    assert [given for given, _ in differ] == ["#fbafe4", "#ece133"]


def test_pages_and_plots_give_a_method_the_same_colour(group: Group) -> None:
    from matplotlib.colors import to_hex

    assert {label: to_hex(look.colour) for label, look in style.looks(group).items()} == style.colours_of(group)


def contrast(one: Any, other: Any) -> float:
    """WCAG's, of two colours in [0, 1]."""
    from matplotlib.colors import to_rgb

    def luminance(colour: Any) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", INKS)
def test_ink_and_methods_are_seen_on_the_ground(scheme: str) -> None:
    ink = INKS[scheme]
    for letters in (ink.text, ink.strong, ink.quiet):
        assert contrast(letters, ink.ground) >= 7
    assert len({str(colour) for colour in style.palette()}) == 10
    for colour in style.palette():
        assert contrast(colour, ink.ground) >= 2.2


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_a_figure_has_the_width_asked_for_and_its_letters_fit(group: Group, name: str, width: float) -> None:
    with in_form(Form(width=width, title=False)):
        figure = DRAWN[name](group)
        assert figure.get_figwidth() == pytest.approx(width, abs=0.01)
        drawn = figure.get_tightbbox()
        assert drawn.x0 >= -0.03 and drawn.x1 <= width + 0.03, "letters beyond the edge"


@pytest.mark.parametrize("name", [name for name in DRAWN if name != "training"])
def test_without_a_title_its_words_are_for_the_caption(group: Group, name: str) -> None:
    titled = DRAWN[name](group)
    with in_form(Form(title=False)):
        bare = DRAWN[name](group)
    assert "toy-x8" in words_of(bare) and words_of(bare) == words_of(titled)
    assert b"toy-x8" in to_bytes(titled, "svg") and b"toy-x8" not in to_bytes(bare, "svg")


def test_serif_letters(group: Group) -> None:
    with in_form(Form(serif=True)):
        pdf, svg = to_bytes(tradeoff(group), "pdf"), to_bytes(tradeoff(group), "svg")
    assert b"STIXGeneral" in pdf and b"DejaVu" not in pdf
    assert b"STIXGeneral" in svg
    assert b"STIXGeneral" not in to_bytes(tradeoff(group), "svg"), "the form ends with its block"


@pytest.mark.parametrize(("text", "inches"), [("column", 3.25), ("page", 6.875), ("10", 3.937), ("8.5cm", 3.3465)])
def test_widths(text: str, inches: float) -> None:
    assert read_width(text) == pytest.approx(inches, abs=1e-3)


@pytest.mark.parametrize("text", ["wide", "0", "-3", "nan", "1000", ""])
def test_a_width_that_means_nothing(text: str) -> None:
    with pytest.raises(ResultsError, match=r"give `column` \(8\.2\d cm\), `page` \(17\.46 cm\), or a number of centi"):
        read_width(text)


# -- the numbers behind a plot -----------------------------------------------------------------------------------------


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_value_of_a_distribution(group: Group) -> None:
    found = rows_of(distribution_table(group, ["psnr", "nme"]))
    assert len(found) == 2 * 2 * 24
    values = {row.label: per_image_values(row) for row in group.rows}
    for row in found:
        assert float(row["value"]) == values[row["method"]][row["metric"]][row["image"]]


def test_the_points_of_a_tradeoff(group: Group) -> None:
    statistics = compare(group)
    found = {row["method"]: row for row in rows_of(tradeoff_table(group, y="lpips"))}
    assert list(next(iter(found.values()))) == [
        "protocol", "profile", "method", "psnr", "psnr_low", "psnr_high", "lpips", "lpips_low", "lpips_high",
        "parameters",
    ]  # fmt: skip
    for row in group.rows:
        assert float(found[row.label]["psnr"]) == row.means["psnr"]
        assert float(found[row.label]["lpips"]) == row.means["lpips"]
        low, high = statistics[row.label, "lpips"].interval or (0, 0)
        assert (float(found[row.label]["lpips_low"]), float(found[row.label]["lpips_high"])) == (low, high)


def test_the_means_of_a_parallel_plot(group: Group) -> None:
    found = {row["method"]: row for row in rows_of(parallel_table(group))}
    for row in group.rows:
        assert {name: float(found[row.label][name]) for name in METRICS} == {n: row.means[n] for n in METRICS}


def test_the_points_of_a_training() -> None:
    found = [tuple(row.values()) for row in rows_of(training_table(TRAINED))]
    assert ("1", "20", "psnr", "24.0") in found
    assert ("2", "25", "psnr", "24.5") in found, "samples are counted over the stages"
    assert ("2", "25", "l1", "0.05") in found
    assert len(found) == 3 + 3 + 2


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_options_of_the_command(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "t.svg"
    words = ["figure", "tradeoff", "--results", str(root), "--out", str(out)]
    assert cli.main([*words, "--width", "8", "--no-title", "--serif", "--dark", "--transparent"]) == 0
    drawn = out.read_text()
    width = float(re.search(r'width="([\d.]+)pt"', drawn)[1])  # type: ignore[index]
    assert width == pytest.approx(8 / 2.54 * 72, abs=0.1)
    assert INKS["dark"].text in drawn and "STIXGeneral" in drawn and "toy-x8" not in drawn
    assert (
        capsys.readouterr().err == "for the caption: toy-x8, profile sparnet, n = 24; up and to the right is better\n"
    )
    assert cli.main([*words, "--width", "broad"]) == 2
    assert "width 'broad': give `column`" in capsys.readouterr().err
    assert form.form() == Form()


@pytest.mark.parametrize("name", ["distribution", "tradeoff", "parallel", "curve"])
def test_csv_of_every_plot(root: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "numbers.csv"
    assert cli.main(["figure", name, "--results", str(root), "--out", str(out)]) == 0
    assert rows_of(out.read_text())[0]["protocol"] == "toy-x8"


def test_csv_of_a_training(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps({"step": s, "samples": 8 * s, "l1": 1 / s}) + "\n" for s in (1, 2)))
    assert cli.main(["figure", "training", "--log", str(log), "--out", str(tmp_path / "t.csv")]) == 0
    assert [row["value"] for row in rows_of((tmp_path / "t.csv").read_text())] == ["1.0", "0.5"]


def test_pictures_have_no_csv(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["figure", "heatmap", "--results", str(root), "--out", str(tmp_path / "h.csv")]) == 2
    assert "figure heatmap is made of pictures and has no csv" in capsys.readouterr().err
