"""The colours of maps, and PNGs in them."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from facesr_bench.images.maps import SCALE, colour_bar_css, colours, indexed
from facesr_bench.report.maps import ERROR, coloured


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB"))


def test_colours_are_matplotlibs_magma() -> None:
    expected = (np.array(colormaps["magma"].colors) * 255 + 0.5).astype(int)  # type: ignore[attr-defined]
    assert np.abs(colours().astype(int) - expected).max() <= 1
    assert colours().shape == (256, 3)


def test_a_picture_of_places_has_their_colours() -> None:
    places = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(pixels(indexed(places)), colours()[places])


@pytest.mark.parametrize("levels", [0, 1, 16, 32, 63, 64, 65, 255])
def test_the_scale_of_a_psnr_map_is_fixed_in_levels(levels: int) -> None:
    values = np.full((4, 5), float(levels))
    values[0, 0] = 255.0  # a colour doesn't depend on the rest of the picture
    values[0, 1] = np.nan
    found = pixels(coloured(values, ERROR.end))
    assert ERROR.end == SCALE == 64
    expected = colours()[round(254 * min(1, levels / 64) * 255 / 254)].astype(int)
    assert np.abs(found[1:].astype(int) - expected).max() <= 4
    assert found[0, 0].tolist() == colours()[255].tolist() and found[0, 1].tolist() == [128, 128, 128]


def test_colour_bar_runs_from_the_first_colour_to_the_last() -> None:
    stops = re.findall(r"#([0-9a-f]{6})", colour_bar_css())
    assert [int(stops[0][i : i + 2], 16) for i in (0, 2, 4)] == colours()[0].tolist()
    assert [int(stops[-1][i : i + 2], 16) for i in (0, 2, 4)] == colours()[255].tolist()
    assert len(stops) == 17
