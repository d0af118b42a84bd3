"""Restored faces laid back into their photograph, with a soft edge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesr_bench.data.ffhq import sampled
from facesr_bench.faces.alignment import Matrix
from facesr_bench.faces.photographs import corners, rescaled, size_of_step
from facesr_bench.images.files import Image8

SOFT = 0.25
"""Width of the soft edge, over half of the face's square."""
STEEPNESS = 8
"""How fast, where two squares overlap, the face wins in whose middle a pixel lies."""
ROWS = 256
"""Lines that are computed at once: what bounds the memory."""

Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Patch:
    """A restored face.

    Attributes:
        face: SxSx3 uint8 RGB, aligned.
        matrix: from the photograph to this picture, of whatever size S.
    """

    face: Image8
    matrix: Matrix


def paste(background: Image8, patches: Iterable[Patch], enlarged: int = 1) -> Image8:
    """The photograph with its restored faces; their order does not matter.

    Nothing changes outside the faces' squares. Towards the edge of its square a face gives way to the background.

    Args:
        background: HxWx3 uint8 RGB, the photograph or its enlargement.
        enlarged: how many times larger it is than the photograph that the matrices are about.
    """
    placed = [Patch(patch.face, rescaled(patch.matrix, source=enlarged)) for patch in patches]
    result = background.copy()
    for top in range(0, len(background), ROWS):
        _paste_rows(result[top : top + ROWS], top, placed)
    return result


def _paste_rows(rows: Image8, top: int, patches: Sequence[Patch]) -> None:
    """Write the faces into some lines of the picture.

    Args:
        rows: a view of these lines.
        top: the first one's number.
    """
    height, width = rows.shape[:2]
    total, weights, opacity = np.zeros((height, width, 3)), np.zeros((height, width)), np.zeros((height, width))
    for patch in patches:
        found = _window(patch, top, height, width)
        if found is None:
            continue
        window, x, y = found
        depth = _depth(x, y, len(patch.face))
        weight = np.clip(depth, 0, None) ** STEEPNESS
        face = sampled(patch.face, x, y, max(1.0, size_of_step(patch.matrix)))
        total[window] += weight[..., None] * face
        weights[window] += weight
        opacity[window] = np.maximum(opacity[window], _soft(depth / SOFT))
    touched = (weights > 0) & (opacity > 0)
    share = opacity[touched][:, None]
    mixed = share * (total[touched] / weights[touched][:, None]) + (1 - share) * rows[touched]
    # Nine decimals: what is a tie but for the last bits is a tie on every machine.
    rows[touched] = np.clip(np.rint(np.round(mixed, 9)), 0, 255).astype(np.uint8)


def _window(patch: Patch, top: int, height: int, width: int) -> tuple[tuple[slice, slice], Reals, Reals] | None:
    """The part of some lines that a face may touch, and the place in the face of each of its pixels."""
    ends = corners(patch.matrix, len(patch.face))
    (x0, y0), (x1, y1) = np.floor(ends.min(axis=0)).astype(int), np.ceil(ends.max(axis=0)).astype(int) + 1
    rows = slice(max(0, int(y0) - top), min(height, int(y1) - top))
    columns = slice(max(0, int(x0)), min(width, int(x1)))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    down, right = np.arange(rows.start, rows.stop) + float(top), np.arange(columns.start, columns.stop) + 0.0
    v, u = np.meshgrid(down, right, indexing="ij")
    (a, b, c), (d, e, f) = patch.matrix
    return (rows, columns), a * u + b * v + c, d * u + e * v + f


def _depth(x: Reals, y: Reals, side: int) -> Reals:
    """1 in the middle of a face's square, 0 on its edge, negative outside."""
    middle = (side - 1) / 2
    return np.asarray(1 - np.maximum(np.abs(x - middle), np.abs(y - middle)) / (side / 2))


def _soft(depth: Reals) -> Reals:
    """0 below 0, 1 above 1, and smooth between: 3 t^2 - 2 t^3."""
    t = np.clip(depth, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))
