"""Maps as pictures: 16-bit maps of a metric, and error maps in colours."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.base.errors import DataError
from facesr_bench.base.files import replacing
from facesr_bench.images.files import Image8, save_png
from facesr_bench.images.luma import FULL_FLOAT32

MAP_LEVELS = 16384
"""16-bit levels per unit of a stored map, which so reaches from 0 to 4."""


def write_map(path: Path, values: NDArray[np.float32]) -> None:
    """Write a map of a metric, HxW floats from 0 up, as a 16-bit gray PNG: level = value x MAP_LEVELS, cut off at 4.

    Raises:
        ResultsError: it can't be written.
    """
    levels = np.clip(np.rint(values.astype(np.float64) * MAP_LEVELS), 0, 65535).astype(np.uint16)
    save_png(path, Image.fromarray(levels))


def read_map(path: Path) -> NDArray[np.float32]:
    """HxW: what `write_map` wrote, to 1 / MAP_LEVELS.

    Raises:
        DataError: missing or damaged.
    """
    try:
        with Image.open(path) as picture:
            levels = np.asarray(picture)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: can't be read: {error}") from error
    return np.asarray(np.asarray(levels, np.float32) / MAP_LEVELS, np.float32)


SCALE = 64
"""Levels of luma error at the bright end of the error map's colours. Fixed: a colour means the same everywhere."""


COLOUR_MAP = "magma"


DIVERGING_MAP = "PuOr"
"""Purple to white to orange: distinguishable with any common colour blindness."""


@cache
def colours(name: str = COLOUR_MAP) -> NDArray[np.uint8]:
    """A colour map of matplotlib's, from its lowest to its highest value: 256x3 uint8 RGB."""
    from matplotlib import colormaps

    table: NDArray[np.uint8] = np.asarray(colormaps[name](np.arange(256), bytes=True))[:, :3].copy()
    table.setflags(write=False)
    return table


def luma_error(sr: Image8, hr: Image8) -> NDArray[np.uint8]:
    """|Y(sr) - Y(hr)| as places in the colour map; Y = 0.299 R + 0.587 G + 0.114 B.

    Errors of `SCALE` levels and more share the last place.

    Args:
        sr: HxWx3 uint8.
        hr: HxWx3 uint8.

    Returns:
        HxW, 0 to 255.

    Raises:
        ValueError: the shapes differ.
    """
    if sr.shape != hr.shape:
        raise ValueError(f"an error map needs two pictures of one shape, not {sr.shape} and {hr.shape}")
    error = np.abs((sr.astype(np.float32) - hr) @ FULL_FLOAT32)
    index: NDArray[np.uint8]
    index = np.minimum(error * np.float32(255 / SCALE) + np.float32(0.5), np.float32(255)).astype(np.uint8)
    return index


def write_error_map(path: Path, sr: Image8, hr: Image8) -> None:
    """`luma_error` as a PNG with a palette, a quarter of the bytes of its colours.

    Raises:
        ValueError: the shapes differ.
        ResultsError: it can't be written.
    """
    write_indexed(path, luma_error(sr, hr))


def write_indexed(path: Path, index: NDArray[np.uint8], *, blank: bool = False) -> None:
    """A PNG whose palette is the colour map.

    Args:
        index: HxW, places in the map.
        blank: index 255 is grey: no value.

    Raises:
        ResultsError: it can't be written.
    """
    palette = colours().copy()
    if blank:
        palette[:255] = palette[np.rint(np.arange(255) * 255 / 254).astype(int)]
        palette[255] = 128
    picture = Image.fromarray(index)
    picture.putpalette(palette.tobytes())
    with replacing(path) as partial:
        picture.save(partial, format="PNG", compress_level=6)


def colour_bar_css(stops: int = 17, name: str = COLOUR_MAP) -> str:
    """A colour map as a CSS gradient, its lowest value at the left."""
    return f"linear-gradient(to right, {', '.join(hex_colours(stops, name))})"


def hex_colours(stops: int, name: str = COLOUR_MAP) -> list[str]:
    """A colour map at so many equal steps, as `#rrggbb`."""
    points = [round(i * 255 / (stops - 1)) for i in range(stops)]
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colours(name)[points].tolist()]
