"""Figures: what they draw, read back from their lines, files and pixels."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.base.errors import FaceSRBenchWarning, ResultsError
from facesr_bench.images.files import read_image, write_png
from facesr_bench.images.maps import write_map
from facesr_bench.report.figures import style
from facesr_bench.report.figures.curves import curve
from facesr_bench.report.figures.grid import auto_zoom, comparison
from facesr_bench.report.figures.heatmap import heatmap, mean_map
from facesr_bench.report.figures.plots import distribution, parallel, tradeoff
from facesr_bench.report.figures.style import save, to_bytes
from facesr_bench.report.maps import ERROR
from facesr_bench.report.site.scatter import scatter
from facesr_bench.results.comparison import compare
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.leaderboard import Group, groups
from facesr_bench.results.summary import summarise
from tests.figure_fixtures import HOSTILE, IDS, METRICS, single, texts, value_table
from tests.report_fixtures import DRAWN, LPIPS, PSNR, SSIM, drawing, manifest, scored, write_result
from tests.stored import newest_results

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@pytest.mark.parametrize("name", DRAWN)
def test_same_numbers_same_bytes_and_hostile_names_are_text(group: Group, name: str) -> None:
    one, two = DRAWN[name](group), DRAWN[name](group)
    svg = to_bytes(one, "svg")
    assert svg == to_bytes(two, "svg") and b"<dc:date>" not in svg
    words = "\n".join(texts(svg))
    assert HOSTILE in words and "good@w" in words and "toy-x8" in words
    assert "few" not in words, "it ran on other images"


def test_what_a_figure_was_written_as_before_leaves_no_trace(group: Group) -> None:
    one, two = parallel(group), parallel(group)
    to_bytes(two, "png")
    assert to_bytes(one, "svg") == to_bytes(two, "svg") and to_bytes(one, "pdf") == to_bytes(two, "pdf")


def test_save_chooses_by_suffix_and_refuses_others(group: Group, tmp_path: Path) -> None:
    figure = parallel(group)
    for suffix, start in (("pdf", b"%PDF"), ("png", b"\x89PNG"), ("svg", b"<?xml")):
        save(figure, tmp_path / "new" / f"f.{suffix}")
        assert (tmp_path / "new" / f"f.{suffix}").read_bytes().startswith(start)
    with pytest.raises(ResultsError, match="'gif'; known: pdf, png, svg"):
        save(figure, tmp_path / "f.gif")
    (tmp_path / "file").touch()
    with pytest.raises(ResultsError, match="can't be written"):
        save(figure, tmp_path / "file" / "f.pdf")


def test_a_method_looks_the_same_in_every_plot_and_unlike_the_others(group: Group) -> None:
    looks = style.looks(group)
    assert len({(look.colour, look.marker) for look in looks.values()}) == len(group.rows)
    line = next(line for line in curve(group).axes[0].lines if str(line.get_label()).startswith("good@w"))
    other = next(line for line in parallel(group).axes[0].lines if line.get_label() == "good@w")
    assert line.get_color() == other.get_color() == looks["good@w"].colour


# -- plots -------------------------------------------------------------------------------------------------------------


def test_distribution_shows_every_image_and_the_interval(group: Group) -> None:
    figure = distribution(group, ["psnr", "lpips"])
    assert [axis.get_xlabel() for axis in figure.axes] == ["PSNR (dB) ↑", "LPIPS ↓"]
    axis = figure.axes[0]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["good@w", style.plain(HOSTILE), "poor"]
    dots = [c for c in axis.collections if len(np.asarray(c.get_offsets())) == len(IDS)]
    assert sorted(np.asarray(dots[0].get_offsets())[:, 0]) == sorted(v["psnr"] for v in value_table(26, 4).values())
    cell = compare(group)["good@w", "psnr"]
    ends = [tuple(np.asarray(line.get_xdata())) for line in axis.lines]
    assert cell.interval in ends and (cell.mean,) in ends


def test_distribution_of_few_images_invents_no_shape(tmp_path: Path) -> None:
    from matplotlib.collections import PathCollection

    values = dict(list(value_table(25, 1).items())[:5])
    axis = distribution(single(tmp_path, values), ["psnr"]).axes[0]
    assert [type(c) for c in axis.collections] == [PathCollection], "five dots and no violin"


def test_infinite_values_are_counted_not_drawn(tmp_path: Path) -> None:
    values = value_table(25, 1)
    values[IDS[0]]["psnr"] = math.inf
    figure = distribution(single(tmp_path, values), ["psnr"])
    assert figure.axes[0].get_title() == "1 infinite not drawn"
    assert len(np.asarray(figure.axes[0].collections[-1].get_offsets())) == len(IDS) - 1


def test_ecdf_ends_at_one(group: Group) -> None:
    for line in distribution(group, ["psnr"], kind="ecdf").axes[0].lines:
        shares = np.asarray(line.get_ydata())
        assert shares[-1] == 1 and (np.diff(shares) >= 0).all()


def test_tradeoff_is_better_up_and_right(group: Group) -> None:
    axis = tradeoff(group).axes[0]
    assert axis.yaxis.get_inverted() and not axis.xaxis.get_inverted()
    points = {c.get_label(): np.asarray(c.get_offsets())[0] for c in axis.collections}
    good = points["good@w (10.6 M)"]
    row = next(row for row in group.rows if row.label == "good@w")
    assert good.tolist() == [row.means["psnr"], row.means["lpips"]]
    areas = {c.get_label(): float(np.asarray(c.get_sizes())[0]) for c in axis.collections}  # type: ignore[attr-defined]
    assert areas["good@w (10.6 M)"] > areas["poor"]


def test_tradeoff_names_the_metrics_there_are(tmp_path: Path) -> None:
    psnr = manifest("a", metrics={"psnr": PSNR, "ssim": SSIM})
    values = {i: {"psnr": 20.0 + n, "ssim": 0.5} for n, i in enumerate(IDS)}
    found = groups(summarise([write_result(tmp_path, psnr, scored(values))]))[0]
    with pytest.raises(ResultsError, match=r"(?s)family 'perception'.*known: psnr, ssim.*--x and --y"):
        tradeoff(found)
    for image in (rows := scored(values)):
        image.reasons["lpips"] = "needs weights `lpips-alex`"
    card = manifest("b", metrics={"psnr": PSNR, "lpips": LPIPS})
    without = groups(summarise([write_result(tmp_path, card, rows)]))[0]
    with pytest.raises(ResultsError, match=r"(?s)known: psnr, ssim\n  LPIPS: needs weights `lpips-alex`\n"):
        tradeoff(without)
    assert tradeoff(found, y="ssim").axes[0].get_ylabel() == "SSIM ↑"


def test_tradeoff_names_whom_it_leaves_out(tmp_path: Path) -> None:
    results = []
    for name, psnr in (("equal", math.inf), ("other", 25.0), ("third", 26.0)):
        values = {i: {"psnr": psnr, "ssim": 1.0, "lpips": 0.1} for i in IDS}
        results.append(write_result(tmp_path, manifest(name, metrics=METRICS), scored(values)))
    (found,) = groups(summarise(results))
    title = tradeoff(found).get_suptitle()
    assert title.endswith("up and to the right is better\nnot drawn, for want of a finite mean: equal")
    beside = scatter(found)
    assert beside is not None and (len(beside.points), beside.left_out) == (2, ["equal"]), "the page says so too"


LONG = "a name that goes on and on and on, as long as a label may be, "


@pytest.mark.parametrize("kind", ["parallel", "tradeoff", "ecdf", "curve"])
def test_a_dozen_long_names_are_whole_and_leave_room_for_the_plot(tmp_path: Path, kind: str) -> None:
    for n in range(12):
        card = manifest(f"{LONG}{n}", metrics=METRICS, total=len(IDS))
        write_result(tmp_path, card, scored(value_table(20 + n, n)))
    (found,) = groups(summarise(newest_results(tmp_path)))
    draw: dict[str, Any] = {"parallel": parallel, "tradeoff": tradeoff, "curve": curve}
    figure = draw[kind](found) if kind in draw else distribution(found, ["psnr"], kind="ecdf")
    whole, (legend,) = figure.bbox, figure.legends
    names = legend.get_window_extent()
    assert whole.x0 - 2 <= names.x0 and names.x1 <= whole.x1 + 2 and whole.y0 - 2 <= names.y0
    plot = figure.axes[0].get_window_extent()
    assert plot.height > 0.8 * figure.dpi and plot.width > 1.2 * figure.dpi


def test_tradeoff_without_finite_means(tmp_path: Path) -> None:
    values = {i: {"psnr": math.inf, "ssim": 1.0, "lpips": 0.0} for i in IDS}
    with pytest.raises(ResultsError, match="no method has a finite mean of both PSNR and LPIPS"):
        tradeoff(single(tmp_path, values))


def test_parallel_turns_every_axis_up(group: Group) -> None:
    figure = parallel(group)
    heights = {line.get_label(): list(np.asarray(line.get_ydata())) for line in figure.axes[0].lines}
    assert heights["good@w"] == [1, 1, 1, 1] and heights["poor"] == [0, 0, 0, 0]
    words = texts(to_bytes(figure, "svg"))
    rows = {row.label: row for row in group.rows}
    for name, digits in (("psnr", 2), ("lpips", 4)):
        for label in ("good@w", "poor"):
            assert f"{rows[label].means[name]:.{digits}f}" in words


def test_parallel_needs_something_to_compare(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="at least two methods and two metrics"):
        parallel(single(tmp_path, value_table(25, 1)))


def test_nothing_scored_is_nothing_to_draw(tmp_path: Path) -> None:
    broken = write_result(tmp_path, manifest("broken", error="no such file"), [])
    found = groups(summarise([broken]))[0]
    for draw in DRAWN.values():
        with pytest.raises(ResultsError, match="no image was scored"):
            draw(found)


# -- pictures ----------------------------------------------------------------------------------------------------------


def pixels(figure: Figure) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(to_bytes(figure, "png"))).convert("RGB"))


def drawn_in(figure: Figure, picture: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """What the PNG holds where the axes of this number are."""
    high, wide = picture.shape[:2]
    box = figure.axes[number].get_position()
    left, right = round(box.x0 * wide), round(box.x1 * wide)
    top, bottom = round((1 - box.y1) * high), round((1 - box.y0) * high)
    return picture[top:bottom, left:right]


def test_comparison_is_pixel_exact(group: Group) -> None:
    figure = comparison(group, ["face 3", "face 1"], ["poor", "good"], zoom=None)
    assert len(figure.axes) == 8, "LR, two methods and HR of two images"
    picture = pixels(figure)
    rows = {row.method: row.result for row in group.rows}
    inputs = rows["good"].inputs_folder
    expected = []
    for name in ("face 3", "face 1"):
        lr, hr = (read_image(inputs / kind / f"{name}.png") for kind in ("lr", "hr"))
        lr = lr.repeat(8, axis=0).repeat(8, axis=1)
        expected += [lr, read_image(rows["poor"].sr_path(name)), read_image(rows["good"].sr_path(name)), hr]
    assert not np.array_equal(expected[0], expected[3])
    for number, image in enumerate(expected):
        shown = drawn_in(figure, picture, number)
        times = shown.shape[0] // 32
        assert times == 10 and np.array_equal(shown, image.repeat(times, axis=0).repeat(times, axis=1))


def test_zoom_is_pixel_exact_inside_its_frame(group: Group) -> None:
    figure = comparison(group, ["face 3"], ["good"], zoom=(4, 8, 16, 10))
    picture = pixels(figure)
    part = read_image(next(r for r in group.rows if r.method == "good").result.sr_path("face 3"))[8:18, 4:20]
    shown = drawn_in(figure, picture, 3)
    times = shown.shape[1] // 16
    assert shown.shape[0] == 10 * times and times == 20
    rim = 2 * times
    exact = part.repeat(times, axis=0).repeat(times, axis=1)
    assert np.array_equal(shown[rim:-rim, rim:-rim], exact[rim:-rim, rim:-rim])


def test_comparison_says_whose_and_how_good(group: Group) -> None:
    figure = comparison(group, ["face 3"], ["good", "poor"])
    words = texts(to_bytes(figure, "svg"))
    values = value_table(26, 4)["face 3"]
    below = f"{values['psnr']:.2f} / {values['ssim']:.4f}"
    assert {"LR", "good@w", "poor", "HR", "face 3", below, "PSNR (dB) / SSIM", "4\N{MULTIPLICATION SIGN}4"} <= set(
        words
    )
    bold = [t.get_text() for t in figure.texts if t.get_fontweight() == "bold"]
    assert bold == [below], "the better of the two"
    assert f"{values['lpips']:.4f}" in texts(to_bytes(comparison(group, ["face 3"], metrics=["lpips"]), "svg"))


def test_images_not_chosen_by_hand_are_the_quartiles(group: Group) -> None:
    rows = [row for row in group.rows if row.comparable]
    mean = {i: np.mean([row.result.rows()[i].metrics["psnr"] for row in rows]) for i in IDS}
    ordered = sorted(IDS, key=lambda i: mean[i])
    words = texts(to_bytes(comparison(group), "svg"))
    assert [word for word in words if word in IDS] == [ordered[17], ordered[12], ordered[6]]


@pytest.mark.parametrize(
    ("images", "methods", "zoom", "message"),
    [
        (["fase 3"], [], "auto", "no image is called 'fase 3'; did you mean 'face 3'"),
        ([], ["goo"], "auto", "no method with results is called 'goo'"),
        ([], ["few"], "auto", "few: 2 of the 24 images of the largest run"),
        ([], [], (20, 20, 16, 16), "zoom 20,20,16,16: it must lie inside the picture of 32x32 px"),
        ([], [], (0, 0, 0, 5), "it must lie inside"),
    ],
)
def test_wrong_wishes_are_told(group: Group, images: list[str], methods: list[str], zoom: Any, message: str) -> None:
    with pytest.raises(ResultsError, match=re.escape(message)):
        comparison(group, images, methods, zoom=zoom)


def test_missing_pictures_are_told(group: Group) -> None:
    next(row for row in group.rows if row.method == "poor").result.sr_path("face 3").unlink()
    with pytest.raises(ResultsError, match=r"face 3.png.*(?s:.)*run again"):
        comparison(group, ["face 3"])
    with pytest.raises(ResultsError, match=r"face 3.png"):
        heatmap(group)


def test_without_ground_truth_there_is_no_hr_and_no_error(tmp_path: Path) -> None:
    rows = [ImageRecord(i) for i in ("a", "b")]
    write_result(tmp_path, manifest("m", source="lr", metrics={}), rows, pictures=True)
    found = groups(summarise(newest_results(tmp_path)))[0]
    words = texts(to_bytes(comparison(found), "svg"))
    assert "LR" in words and "HR" not in words and "a" in words
    with pytest.raises(ResultsError, match="without ground truth"):
        heatmap(found)


def test_auto_zoom_finds_the_difference_and_starts_where_an_lr_pixel_does() -> None:
    one = np.full((64, 64, 3), 90, np.uint8)
    other = one.copy()
    other[27:35, 14:24] = 200
    x, y, w, h = auto_zoom([one, other], step=8)
    assert (w, h) == (24, 24) and x % 8 == y % 8 == 0
    assert x <= 14 and x + w >= 24 and y <= 27 and y + h >= 35
    other[0:8, 0:8] = 255  # a corner is not the face
    assert auto_zoom([one, other], step=8) == (x, y, w, h)
    assert auto_zoom([one]), "one picture has a window too"


def test_mean_psnr_map_by_hand(tmp_path: Path) -> None:
    result = write_result(tmp_path, manifest("m"), scored({i: {"psnr": 20.0} for i in "ab"}), pictures=True)
    grey = np.full((32, 32, 3), 100, np.uint8)
    for image, level in (("a", 110), ("b", 80)):
        write_png(result.inputs_folder / "hr" / f"{image}.png", grey)
        off = grey.copy()
        off[:16] = level
        write_png(result.sr_path(image), off)
    (found,) = groups(summarise([result]))
    mean = mean_map(found.rows[0], ERROR)
    assert mean[:16] == pytest.approx(np.sqrt((10**2 + 20**2) / 2)) and (mean[16:] == 0).all()
    figure = heatmap(found)
    assert np.array_equal(np.asarray(figure.axes[0].images[0].get_array()), mean)
    # The mean square over the pixels is 125: 10 log10(255^2 / 125) dB.
    assert figure.axes[0].get_title() == "m\n27.2 dB"
    assert [tick.get_text() for tick in figure.axes[1].get_yticklabels()][-1] == "24.2 dB (15.8 levels)"
    write_png(result.inputs_folder / "hr" / "b.png", drawing(1, 24))
    write_png(result.sr_path("b"), drawing(2, 24))
    with pytest.raises(ResultsError, match="several sizes"):
        mean_map(found.rows[0], ERROR)


def test_heatmaps_share_one_scale(group: Group) -> None:
    images = [axis.images[0] for axis in heatmap(group).axes if axis.images]
    assert len({image.get_clim() for image in images[:3]}) == 1 and images[0].get_clim()[0] == 0
    top = max(mean_map(row, ERROR).max() for row in style.ranked(group))
    assert images[0].get_clim()[1] == top


def test_a_heatmap_takes_every_kind_of_map(tmp_path: Path) -> None:
    values = {i: {"psnr": 20.0, "ssim": 0.5, "lpips": 0.25} for i in "ab"}
    found = single(tmp_path, values)
    result = found.rows[0].result
    drawn = heatmap(found, kind="ssim")
    assert "SSIM" in drawn.axes[0].get_title() and drawn.axes[1].get_yticklabels()[0].get_text() == "SSIM 1.00"
    with pytest.raises(ResultsError, match="known: psnr, ssim"):
        heatmap(found, kind="lpips")
    for name, value in (("a", 0.25), ("b", 0.75)):
        path = result.metric_map_path("lpips", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_map(path, np.full((32, 32), value, np.float32))
    assert np.asarray(heatmap(found, kind="lpips").axes[0].images[0].get_array()) == pytest.approx(0.5, abs=1e-3)
    result.metric_map_path("lpips", "b").unlink()
    with pytest.raises(ResultsError, match=r"b.png.*(?s:.)*run again"):
        heatmap(found, kind="lpips")


def test_characters_that_the_font_lacks_are_named_and_nothing_else_of_matplotlib_is_heard(
    recwarn: pytest.WarningsRecorder,
) -> None:
    figure, axes = style.new_figure(1, 1)
    axes[0].set_title(style.plain("\u4e2d and \u6587"))
    to_bytes(style.finished(figure), "pdf")
    said = {(each.category, str(each.message)) for each in recwarn}
    assert said == {(FaceSRBenchWarning, "the font of figures has no '\u4e2d', '\u6587': drawn as boxes")}


def test_a_method_looks_alike_in_every_figure_of_a_folder(tmp_path: Path) -> None:
    """Whichever of the folder's methods a figure shows, and on whichever protocol."""
    names = [f"method-{i}" for i in range(14)]
    values = {i: {"psnr": 20.0 + n} for n, i in enumerate(("a", "b", "c"))}
    for protocol in ("toy-x8", "other-x8"):
        for name in names[: 14 if protocol == "toy-x8" else 5]:
            write_result(tmp_path, manifest(name, protocol=protocol, metrics={"psnr": PSNR}), scored(values))
    rows = summarise(newest_results(tmp_path))
    first, second = groups(rows)
    all_looks = style.looks(first if len(first.rows) == 14 else second)
    few = style.looks(second if len(first.rows) == 14 else first)
    assert len(few) == 5 and all(all_looks[label] == look for label, look in few.items())
    (chosen,) = groups([row for row in rows if row.protocol == "toy-x8" and row.label in names[3:6]], names)
    assert all(all_looks[label] == look for label, look in style.looks(chosen).items())
    assert len(set(map(str, all_looks.values()))) == 14, "no two look alike"
    wide = max(groups([row for row in rows if row.label in names[:10]]), key=lambda group: len(group.rows))
    ten = {look.colour for look in style.looks(wide).values()}
    assert len(ten) == 10, "no colour twice while there are others"


def test_one_more_method_seldom_changes_the_looks_of_others() -> None:
    labels = {f"method {i}" for i in range(6)}
    before = style._dealt(labels, 10)
    moved = [
        name for i in range(50) for name, at in before.items() if style._dealt({*labels, f"new {i}"}, 10)[name] != at
    ]
    assert len(moved) < 0.15 * 50 * len(labels)
