"""The figure of attention maps: which units and faces it shows, on what scale, and what it says when there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.files import file_name
from facesr_bench.images.maps import colours
from facesr_bench.report.figures.attention import attention
from facesr_bench.results.leaderboard import Group, groups
from facesr_bench.results.store import FOLDER, MEAN, read_results
from facesr_bench.results.summary import summarise
from tests.report_fixtures import PSNR, manifest, scored, write_result

SIZES = (16, 8, 8, 32)
"""Of the units: the encoder's, two of the body, the decoder's."""


@pytest.fixture
def group(tmp_path: Path) -> Group:
    """`net` has maps of two of three images, `bicubic` has none."""
    rows = scored({name: {"psnr": 20.0 + place} for place, name in enumerate("abc")})
    for label in ("net", "bicubic"):
        result = write_result(tmp_path, manifest(label, metrics={"psnr": PSNR}), rows, pictures=True)
        for place, name in enumerate(("a", "b", MEAN) if label == "net" else ()):
            for unit, side in enumerate(SIZES, 1):
                path = result.folder / FOLDER / (name if name == MEAN else file_name(name)) / f"{unit}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                levels = np.full((side, side), 10 * unit, np.uint8)
                levels[0, 0] = 20 * unit + place
                Image.fromarray(levels).save(path)
    return groups(summarise(read_results(tmp_path).results))[0]


def titles(figure: object) -> list[str]:
    return [axis.get_title() for axis in figure.axes if axis.get_title()]  # type: ignore[attr-defined]


def test_units_stand_in_order_with_their_part_resolution_and_largest_value(group: Group) -> None:
    found = titles(attention(group))
    assert found[0] == "input" and found[-1] == "net"
    times = "\N{MULTIPLICATION SIGN}"
    assert [title.split("\n")[0] for title in found[1:-1]] == [
        "unit 1, encoder",
        "unit 2, encoder",
        "unit 3, body",
        "unit 4, decoder",
    ]
    # The largest of unit 4 is 82 of 255, in the mean's maps.
    assert found[4].split("\n")[1] == f"32{times}32, \N{LESS-THAN OR EQUAL TO} {82 / 255:.2f}"


def test_a_unit_has_one_scale_for_all_rows(group: Group) -> None:
    figure = attention(group, ["a"], [2])
    mean = figure.axes[-2].get_images()[0].get_array()  # the mean, without a face below it
    # Of unit 2 the mean's corner (42) is the largest: white's end of the colours.
    assert np.array_equal(np.asarray(mean)[0, 0], colours()[255])
    assert np.array_equal(np.asarray(mean)[1, 1], colours()[round(20 / 42 * 255)])


def test_chosen_faces_and_units_are_shown(group: Group) -> None:
    figure = attention(group, ["b"], [1, 4], ["net"])
    assert len(figure.axes) == 2 * 4, "a row for b and one for the mean: input, two units, output"
    assert [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()] == ["b", "mean"]


@pytest.mark.parametrize(
    ("images", "units", "methods", "said"),
    [
        (["c"], [], [], "image with attention maps"),
        ([], [5], [], "attention units 1 to 4"),
        ([], [0], [], "there is no unit 0"),
        ([], [], ["bicubic"], "method with attention maps"),
        ([], [], ["net", "bicubic"], "of one method"),
    ],
)
def test_what_has_no_maps_is_said(
    group: Group, images: list[str], units: list[int], methods: list[str], said: str
) -> None:
    with pytest.raises(ResultsError, match=said):
        attention(group, images, units, methods)


def test_without_any_maps_the_message_says_how_to_keep_some(tmp_path: Path) -> None:
    write_result(tmp_path, manifest(metrics={"psnr": PSNR}), scored({"a": {"psnr": 20.0}}), pictures=True)
    found = groups(summarise(read_results(tmp_path).results))[0]
    with pytest.raises(ResultsError, match="run --attention 8"):
        attention(found)
