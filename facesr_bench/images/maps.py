"""Maps as pictures: 16-bit maps of a metric, and maps in colours."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.base.errors import DataError
from facesr_bench.images.files import save_png

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
"""Levels of error at the bright end of the PSNR map's colours. Fixed: a colour means the same everywhere."""


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


def indexed(index: NDArray[np.uint8], *, blank: bool = False) -> bytes:
    """A PNG whose palette is the colour map: a quarter of the bytes of its colours.

    Args:
        index: HxW, places in the map.
        blank: index 255 is grey: no value.
    """
    picture = Image.fromarray(index)
    picture.putpalette(_palette(blank))
    stream = io.BytesIO()
    picture.save(stream, format="PNG", compress_level=1)  # 4 % larger than at 6, in a quarter of the time
    return stream.getvalue()


def gray_png(levels: NDArray[np.uint8]) -> bytes:
    """A gray PNG, each row told by how it differs from the one above.

    Of maps as small as by Pillow, which seeks a filter for each row, in half the time. OpenCV before 4.12 can't be told
    the filter: its files are up to a sixth larger.

    Args:
        levels: HxW.
    """
    import cv2

    how = [cv2.IMWRITE_PNG_COMPRESSION, 4]
    if hasattr(cv2, "IMWRITE_PNG_FILTER"):
        how += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
    _, data = cv2.imencode(".png", levels, how)
    return bytes(data)


@cache
def _palette(blank: bool) -> bytes:
    palette = colours().copy()
    if blank:
        palette[:255] = palette[np.rint(np.arange(255) * 255 / 254).astype(int)]
        palette[255] = 128
    return palette.tobytes()


def colour_bar_css(stops: int = 17, name: str = COLOUR_MAP) -> str:
    """A colour map as a CSS gradient, its lowest value at the left."""
    return f"linear-gradient(to right, {', '.join(hex_colours(stops, name))})"


def hex_colours(stops: int, name: str = COLOUR_MAP) -> list[str]:
    """A colour map at so many equal steps, as `#rrggbb`."""
    points = [round(i * 255 / (stops - 1)) for i in range(stops)]
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colours(name)[points].tolist()]
