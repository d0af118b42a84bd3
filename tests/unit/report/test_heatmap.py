"""The error map: colours that mean the same on every image."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from facesr_bench.images.files import Image8
from facesr_bench.images.maps import SCALE, colour_bar_css, colours, luma_error
from tests.report_fixtures import drawing


def error_map(sr: Image8, hr: Image8) -> Image8:
    """The map as its colours."""
    picture: Image8 = colours()[luma_error(sr, hr)]
    return picture


def test_colours_are_matplotlibs_magma() -> None:
    expected = (np.array(colormaps["magma"].colors) * 255 + 0.5).astype(int)  # type: ignore[attr-defined]
    assert np.abs(colours().astype(int) - expected).max() <= 1
    assert colours().shape == (256, 3)


def test_no_error_is_the_darkest_colour() -> None:
    hr = drawing(1)
    assert np.array_equal(error_map(hr, hr), np.broadcast_to(colours()[0], hr.shape))


@pytest.mark.parametrize("levels", [0, 1, 16, 32, 63, 64, 65, 255])
def test_scale_is_fixed_in_levels(levels: int) -> None:
    hr = np.zeros((4, 5, 3), np.uint8)
    sr = np.full_like(hr, levels)
    expected = colours()[min(255, int(levels * 255 / 64 + 0.5))]
    assert (error_map(sr, hr) == expected).all()
    assert (error_map(hr, sr) == expected).all(), "the sign of the error must not matter"
    assert SCALE == 64


def test_scale_does_not_depend_on_the_rest_of_the_picture() -> None:
    hr, sr = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    sr[0, 0] = 20
    alone = error_map(sr, hr)[0, 0].copy()
    sr[1, 1] = 255
    assert (error_map(sr, hr)[0, 0] == alone).all()


def test_luma_agrees_with_pillow() -> None:
    sr, hr = drawing(2), drawing(3)
    luma = [np.asarray(Image.fromarray(image).convert("L"), dtype=float) for image in (sr, hr)]
    index = np.minimum(np.abs(luma[0] - luma[1]) * 255 / 64, 255)
    ours = error_map(sr, hr)
    nearest = np.abs(colours()[None].astype(int) - ours.reshape(-1, 1, 3)).sum(2).argmin(1).reshape(index.shape)
    assert np.abs(nearest - index).max() <= 4.6  # Pillow rounds each luma to whole levels: one level is four colours


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(8, 8, 3\).*\(4, 4, 3\)"):
        error_map(np.zeros((8, 8, 3), np.uint8), np.zeros((4, 4, 3), np.uint8))


def test_colour_bar_runs_from_the_first_colour_to_the_last() -> None:
    stops = re.findall(r"#([0-9a-f]{6})", colour_bar_css())
    assert [int(stops[0][i : i + 2], 16) for i in (0, 2, 4)] == colours()[0].tolist()
    assert [int(stops[-1][i : i + 2], 16) for i in (0, 2, 4)] == colours()[255].tolist()
    assert len(stops) == 17


def test_it_is_fast() -> None:
    sr, hr = drawing(4, 128), drawing(5, 128)
    error_map(sr, hr)
    times = []
    for _ in range(30):
        start = time.perf_counter()
        error_map(sr, hr)
        times.append(time.perf_counter() - start)
    assert min(times) < 1e-3
