"""Reading and writing pictures: the one place where a file becomes uint8 RGB."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from facesr_bench.errors import DataError
from facesr_bench.files import replacing

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
    _save(path, Image.fromarray(image))


def _save(path: Path, picture: Image.Image) -> None:
    with replacing(path) as partial:
        picture.save(partial, format="PNG", compress_level=1)


def resize(image: Image8, size: tuple[int, int], box: tuple[float, float, float, float] | None = None) -> Image8:
    """Pillow's bicubic (a = -0.5, antialiased, 8 bits between the passes) to (height, width).

    Args:
        box: left, top, right, bottom of the part to take, px.
    """
    height, width = size
    if box is None and image.shape[:2] == size:
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC, box=box))


def read_only(array: NDArray[_Number]) -> NDArray[_Number]:
    """A view that can't be written to, for what several metrics or methods look at in turn."""
    view = array.view()
    view.flags.writeable = False
    return view


def list_images(folder: Path) -> list[Path]:
    """The pictures directly in `folder`, sorted by name.

    Raises:
        DataError: no such folder, or no pictures in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not found:
        raise DataError(f"{folder}: no pictures in it (looked for {', '.join(sorted(SUFFIXES))})")
    return found


def by_stem(paths: list[Path]) -> dict[str, Path]:
    """Pictures keyed by file name without suffix.

    Raises:
        DataError: two pictures share a stem; names both.
    """
    keyed: dict[str, Path] = {}
    for path in paths:
        if path.stem in keyed:
            raise DataError(f"two pictures are called {path.stem!r}: {keyed[path.stem]} and {path}")
        keyed[path.stem] = path
    return keyed


def pair_by_stem(left: Path, right: Path) -> list[tuple[str, Path, Path]]:
    """(stem, left file, right file) of two folders, sorted by stem.

    Raises:
        DataError: some pictures have no partner; lists them.
    """
    a, b = by_stem(list_images(left)), by_stem(list_images(right))
    alone = [f"  {a[s]}: none in {right}" for s in sorted(a.keys() - b.keys())]
    alone += [f"  {b[s]}: none in {left}" for s in sorted(b.keys() - a.keys())]
    if alone:
        shown = alone[:20] + ([f"  ... and {len(alone) - 20} more"] if len(alone) > 20 else [])
        raise DataError(f"{len(alone)} picture(s) without a partner of the same name:\n" + "\n".join(shown))
    return [(stem, a[stem], b[stem]) for stem in sorted(a)]


MAP_LEVELS = 16384
"""16-bit levels per unit of a stored map, which so reaches from 0 to 4."""


def write_map(path: Path, values: NDArray[np.float32]) -> None:
    """Write a map of a metric, HxW floats from 0 up, as a 16-bit gray PNG: level = value x MAP_LEVELS, cut off at 4.

    Raises:
        ResultsError: it can't be written.
    """
    levels = np.clip(np.rint(values.astype(np.float64) * MAP_LEVELS), 0, 65535).astype(np.uint16)
    _save(path, Image.fromarray(levels))


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
