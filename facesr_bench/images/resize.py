"""Pillow's bicubic resize."""

from __future__ import annotations

import numpy as np
from PIL import Image

from facesr_bench.images.files import Image8


def resize(image: Image8, size: tuple[int, int], box: tuple[float, float, float, float] | None = None) -> Image8:
    """Pillow's bicubic (a = -0.5, antialiased, 8 bits between the passes) to (height, width).

    Args:
        box: left, top, right, bottom of the part to take, px.

    Examples:
        >>> import numpy as np
        >>> hr = np.full((128, 128, 3), 200, np.uint8)
        >>> lr = resize(hr, (16, 16))
        >>> lr.shape, int(lr.min()), int(lr.max())
        ((16, 16, 3), 200, 200)
    """
    height, width = size
    if box is None and image.shape[:2] == size:
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC, box=box))
