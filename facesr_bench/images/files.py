"""Reading and writing pictures: the one place where a file becomes uint8 RGB."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from facesr_bench.base.errors import DataError
from facesr_bench.base.files import replacing

Image8 = NDArray[np.uint8]
"""A picture: HxWx3, uint8, RGB."""

_Number = TypeVar("_Number", bound=np.generic)

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})

MAX_PIXELS = 89_478_485
"""The largest picture that is read: Pillow's own limit against decompression bombs."""

_DEEP_MODES = frozenset({"I;16", "I;16B", "I;16L", "I", "F"})


def read_image(source: Path | bytes, name: str | None = None) -> Image8:
    """Decode a picture to HxWx3 uint8 RGB.

    - EXIF orientation is applied.
    - Grayscale and palette pictures become RGB; CMYK is converted by Pillow (no colour profile).
    - Alpha is dropped and the stored colour kept, as OpenCV and most evaluation code do.
    - 16 bits per channel become 8 by rounding x / 257, never by cutting off the low byte.

    Args:
        source: a file, or the bytes of one.
        name: what errors call it, where `source` is bytes.

    Raises:
        DataError: missing, empty, truncated, animated, or not a picture.
    """
    label = name or (str(source) if isinstance(source, Path) else "image")
    try:
        data = source.read_bytes() if isinstance(source, Path) else source
    except OSError as error:
        raise DataError(f"{label}: can't be read: {error.strerror or error}") from error
    if not data:
        raise DataError(f"{label}: the file is empty (0 bytes)")
    try:
        upright = _decode(data, label)
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"{label}: not a picture in a known format") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(f"{label}: too large: {error}") from error
    except Exception as error:  # decoders raise whatever they stumble over, TypeError and KeyError among it
        raise DataError(f"{label}: damaged or truncated: {error}") from error
    return _to_rgb8(upright, label)


def _decode(data: bytes, label: str) -> Image.Image:
    """The picture, all of it decoded, upright."""
    picture: Image.Image = Image.open(io.BytesIO(data))
    # Pillow only warns here. Turning the warning into an error is not an option: warning filters are not thread-safe.
    if picture.width * picture.height > MAX_PIXELS:
        raise DataError(f"{label}: too large: {picture.width}x{picture.height}, the limit is {MAX_PIXELS} pixels")
    frames = getattr(picture, "n_frames", 1)
    # Telephones append previews to a JPEG (MPO); the first frame is the photograph.
    if frames > 1 and picture.format != "MPO":
        raise DataError(f"{label}: it has {frames} frames; give one picture per file")
    picture.load()  # all of it, so that a truncated file fails here whatever the 16-bit reader makes of it
    if _is_deep_colour(data):
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
        picture = Image.fromarray(_read_deep_colour(data, label))
        picture.getexif()[ExifTags.Base.Orientation] = orientation
    return ImageOps.exif_transpose(picture)


def _to_rgb8(picture: Image.Image, label: str) -> Image8:
    if picture.mode in _DEEP_MODES:
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 65535 or picture.mode == "F":
            raise DataError(f"{label}: values of mode {picture.mode} don't fit 16 bits")
        grey = _from_16_bits(values.astype(np.int64))
        return np.repeat(grey[:, :, None], 3, axis=2)
    # Through RGBA where a palette carries transparency: Pillow warns otherwise.
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return np.array(picture.convert("RGB"), dtype=np.uint8)


def _from_16_bits(values: NDArray[np.int64]) -> Image8:
    return ((values + 128) // 257).astype(np.uint8)


def _is_deep_colour(data: bytes) -> bool:
    """True for PNG with 16 bits per channel and colour or alpha: Pillow would cut off the low byte."""
    return data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and data[24] == 16 and data[25] != 0


def _read_deep_colour(data: bytes, label: str) -> Image8:
    import cv2

    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16:
        raise DataError(f"{label}: damaged 16-bit PNG")
    if values.ndim == 2:
        values = np.repeat(values[:, :, None], 3, axis=2)
    return _from_16_bits(values[:, :, 2::-1].astype(np.int64))


def write_png(path: Path, image: Image8) -> None:
    """Write a PNG so that a reader never sees half of it.

    Raises:
        ResultsError: the disk is full or not writable.
    """
    save_png(path, Image.fromarray(image))


def save_png(path: Path, picture: Image.Image) -> None:
    with replacing(path) as partial:
        picture.save(partial, format="PNG", compress_level=1)


def read_only(array: NDArray[_Number]) -> NDArray[_Number]:
    """A view that can't be written to, for what several metrics or methods look at in turn."""
    view = array.view()
    view.flags.writeable = False
    return view
