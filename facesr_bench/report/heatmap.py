"""Where a picture is wrong: its absolute luma error as a colour, on one scale for every image and method."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from facesr_bench.images import Image8

SCALE = 64
"""Levels of error at the bright end of the colours (of 255). Fixed, so that a colour means the same everywhere."""

COLOUR_MAP = "magma"

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601, full range."""


@cache
def colours() -> NDArray[np.uint8]:
    """The colour map, from no error to `SCALE` levels: 256x3 uint8 RGB."""
    from matplotlib import colormaps

    table: NDArray[np.uint8] = np.asarray(colormaps[COLOUR_MAP](np.arange(256), bytes=True))[:, :3].copy()
    table.setflags(write=False)
    return table


def error_map(sr: Image8, hr: Image8) -> Image8:
    """|Y(sr) - Y(hr)| as colours; Y = 0.299 R + 0.587 G + 0.114 B.

    Errors of `SCALE` levels and more share the brightest colour.

    Args:
        sr: HxWx3 uint8.
        hr: HxWx3 uint8.

    Returns:
        HxWx3 uint8.

    Raises:
        ValueError: the shapes differ.
    """
    if sr.shape != hr.shape:
        raise ValueError(f"an error map needs two pictures of one shape, not {sr.shape} and {hr.shape}")
    error = np.abs((sr.astype(np.float32) - hr) @ _LUMA)
    index = np.minimum(error * np.float32(255 / SCALE) + np.float32(0.5), np.float32(255)).astype(np.uint8)
    picture: Image8 = colours()[index]
    return picture


def colour_bar_css(stops: int = 17) -> str:
    """The colour map as a CSS gradient, no error at the left."""
    table = colours()
    points = [round(i * 255 / (stops - 1)) for i in range(stops)]
    hexes = [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in table[points].tolist()]
    return f"linear-gradient(to right, {', '.join(hexes)})"
