"""Reading and writing pictures: the one place where a file becomes uint8 RGB."""

from __future__ import annotations

import hashlib
import io
import zlib
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import (  # the plug-ins of the formats that are read: Pillow looks for no others where formats are named
    BmpImagePlugin,  # noqa: F401
    ExifTags,
    Image,
    ImageOps,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    PpmImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
    features,
)

from facesr_bench.base.errors import DataError
from facesr_bench.base.files import open_regular, replacing
from facesr_bench.images import room
from facesr_bench.images.integrity import FORMATS, MAX_PIXELS, PlainPng, plain_png, png_header, sniff, why_not_whole

Image8 = NDArray[np.uint8]
"""A picture: HxWx3, uint8, RGB."""

_Number = TypeVar("_Number", bound=np.generic)

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})

STRIP = 2**22
"""Pixels that are taken over from Pillow at a time."""


_DEEP_MODES = frozenset({"I;16", "I;16B", "I;16L", "I"})


def read_image(source: Path | bytes, name: str | None = None) -> Image8:
    """Decode a picture to HxWx3 uint8 RGB.

    - EXIF orientation is applied.
    - Grayscale and palette pictures become RGB; CMYK is converted by Pillow (no colour profile).
    - Alpha is dropped and the stored colour kept, as OpenCV and most evaluation code do.
    - 16 bits per channel (PNG, TIFF, PPM) become 8 by rounding x / 257, never by cutting off the low byte.
    - Other depths (32-bit integers, signed integers, floats) are refused: no file says what their white is.
    - The file must be whole, as far as its own structure shows (`facesr_bench.images.integrity`).

    Args:
        source: a file, or the bytes of one.
        name: what errors call it, where `source` is bytes.

    Raises:
        DataError: missing, empty, truncated, animated, of a format or depth that is not read, or not a picture.
    """
    label = name or (str(source) if isinstance(source, Path) else "image")
    try:
        data = _bytes_of(source) if isinstance(source, Path) else source
    except OSError as error:
        raise DataError(f"{label}: can't be read: {error.strerror or error}") from error
    if not data:
        raise DataError(f"{label}: the file is empty (0 bytes)")
    if (plain := plain_png(data)) is not None and (pixels := _decode_plain(plain)) is not None:
        return pixels
    if sniff(data) is None:
        raise DataError(f"{label}: not a picture in a format that is read: {', '.join(FORMATS)}")
    if reason := why_not_whole(data):
        raise DataError(f"{label}: damaged or truncated: {reason}")
    with room.visit():
        try:
            upright = _decode(data, label)
        except DataError:
            raise
        except Exception as error:  # decoders raise whatever they stumble over, TypeError and KeyError among it
            raise DataError(f"{label}: damaged or truncated: {error}") from error
        return _to_rgb8(upright, label)


def _bytes_of(path: Path) -> bytes:
    with open_regular(path) as stream:
        return stream.read()


def _decode_plain(png: PlainPng) -> Image8 | None:
    """The pixels of the kind of file that is read most, by Pillow's decoder alone: of a small one in a quarter of the
    time; None where it is too large or its pixels are not whole: whoever reads it as any other file says so."""
    if png.width * png.height > MAX_PIXELS:
        return None
    with room.visit():
        room.take(png.width * png.height)
        try:
            picture = Image.frombytes("RGB", (png.width, png.height), png.pixels, "zip", "RGB")
        except ValueError:
            return None
        pixels = _pixels(picture)
    return pixels if pixels[-1].any() or png.all_there() else None


def _decode(data: bytes, label: str) -> Image.Image:
    """The picture, all of it decoded, upright."""
    picture = _opened(data, label)
    if picture.width * picture.height > MAX_PIXELS:
        raise DataError(f"{label}: too large: {picture.width}x{picture.height}, the limit is {MAX_PIXELS} pixels")
    room.take(picture.width * picture.height)
    frames = getattr(picture, "n_frames", 1)
    # Telephones append previews to a JPEG (MPO); the first frame is the photograph.
    if frames > 1 and picture.format != "MPO":
        raise DataError(f"{label}: it has {frames} frames; give one picture per file")
    refuse_depth(picture, label)
    orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)  # loading turns a TIFF, and forgets it
    deep = _is_deep_colour(picture, data)
    picture.load()  # all of it, so that a truncated file fails here whatever the 16-bit reader makes of it
    if deep:
        picture = Image.fromarray(_read_deep_colour(data, label))
        picture.getexif()[ExifTags.Base.Orientation] = orientation
    ImageOps.exif_transpose(picture, in_place=True)
    return picture


def _opened(data: bytes, label: str) -> Image.Image:
    """By the format's own reader: `Image.open` would warn of a large picture, or refuse it, by a limit of its own.

    Raises:
        DataError: it can't be opened.
    """
    reader = Image.OPEN[str(sniff(data))][0]
    try:
        return reader(io.BytesIO(data), "")
    except Exception as error:  # as `Image.open` takes any of them for another format's file
        kind = sniff(data)
        other = " (or a TIFF of a kind that is not read: save it as RGB of 8 or 16 unsigned bits)" * (kind == "TIFF")
        raise DataError(f"{label}: damaged: its first bytes are a {kind}'s, but it can't be opened{other}") from error


_ORDINARY_DEPTHS = frozenset({1, 2, 4, 8, 16})
_BITS_PER_SAMPLE, _SAMPLE_FORMAT, _UNSIGNED = 258, 339, 1
_PHOTOMETRIC, _PLANAR, _EXTRA_SAMPLES = 262, 284, 338
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_COLOURS = {4: "a mask", 8: "CIE Lab", 9: "ICC Lab", 10: "ITU Lab", 32803: "a camera's filter", 34892: "a camera's raw"}
_ASSOCIATED_ALPHA, _SEPARATE_PLANES = 1, 2


def refuse_depth(picture: Image.Image, label: str) -> None:
    """Refuse what no file declares the white of, and what no reader here reads exactly.

    Raises:
        DataError: a TIFF of floats, signed integers, or more than 16 bits; of colours that are not RGB, CMYK or YCbCr,
            or multiplied by alpha; of 16 bits in separate planes, or whose white is 0.
    """
    if picture.format != "TIFF":
        return
    tags = picture.tag_v2  # type: ignore[attr-defined]  # of TIFFs alone
    bits, kinds = set(tags.get(_BITS_PER_SAMPLE, (1,))), set(tags.get(_SAMPLE_FORMAT, (_UNSIGNED,)))
    if kinds != {_UNSIGNED} or not bits <= _ORDINARY_DEPTHS:
        found = {2: "signed integers", 3: "floats"}.get(max(kinds), "samples of an unknown kind")
        found = f"{max(bits)}-bit {found if kinds != {_UNSIGNED} else 'integers'}"
        raise DataError(f"{label}: a TIFF of {found}, whose white is not declared; save it with 8 or 16 unsigned bits")
    colours = tags.get(_PHOTOMETRIC, _RGB)
    if colours not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR):
        raise DataError(f"{label}: a TIFF of {_COLOURS.get(colours, f'colours of kind {colours}')}; save it as RGB")
    if _ASSOCIATED_ALPHA in tags.get(_EXTRA_SAMPLES, ()):
        raise DataError(f"{label}: a TIFF whose colours are multiplied by its alpha; save it without alpha")
    if max(bits) <= 8:
        return
    planes = tags.get(_PLANAR) == _SEPARATE_PLANES and len(tags.get(_BITS_PER_SAMPLE, (1,))) > 1
    if planes or colours not in (_BLACK_IS_ZERO, _RGB):
        how = "in separate planes" if planes else "of colours that are neither RGB nor gray with a black of 0"
        raise DataError(f"{label}: a TIFF of {max(bits)} bits {how} can't be read exactly; save it as a 16-bit RGB PNG")


def _to_rgb8(picture: Image.Image, label: str) -> Image8:
    if picture.mode in _DEEP_MODES:
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 65535:
            raise DataError(f"{label}: values of mode {picture.mode} don't fit 16 bits")
        grey = _from_16_bits(values)
        return np.repeat(grey[:, :, None], 3, axis=2)
    # Through RGBA where a palette carries transparency: Pillow warns otherwise.
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return _pixels(picture if picture.mode == "RGB" else picture.convert("RGB"))


def _pixels(picture: Image.Image) -> Image8:
    """HxWx3 of an RGB picture, some rows at a time: Pillow's own way holds it three times."""
    rows = max(1, STRIP // picture.width)
    if picture.height <= rows:
        return np.array(picture)
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    for top in range(0, picture.height, rows):
        bottom = min(top + rows, picture.height)
        pixels[top:bottom] = np.asarray(picture.crop((0, top, picture.width, bottom)))
    return pixels


def _from_16_bits(values: NDArray[Any]) -> Image8:
    """Levels 0..65535, of any type that holds them, as 0..255."""
    found, rows = np.empty(values.shape, np.uint8), max(1, STRIP // values[0].size)
    for top in range(0, len(values), rows):
        found[top : top + rows] = (values[top : top + rows].astype(np.int64) + 128) // 257
    return found


def _is_deep_colour(picture: Image.Image, data: bytes) -> bool:
    """True for PNG and TIFF with 16 bits per channel and colour or alpha: Pillow would cut off the low byte."""
    if picture.format == "TIFF":
        bits = picture.tag_v2.get(_BITS_PER_SAMPLE, (1,))  # type: ignore[attr-defined]
        return len(bits) > 1 and max(bits) == 16
    if picture.format != "PNG":
        return False
    header = png_header(data)
    return header.depth == 16 and header.colour != 0


def _read_deep_colour(data: bytes, label: str) -> Image8:
    import cv2

    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or (values.ndim == 3 and values.shape[2] < 3):
        raise DataError(
            f"{label}: 16 bits per channel in a form that can't be read exactly; save it as a 16-bit RGB PNG"
        )
    if values.ndim == 2:
        values = np.repeat(values[:, :, None], 3, axis=2)
    return _from_16_bits(values[:, :, 2::-1])


def write_png(path: Path, image: Image8) -> None:
    """Write a PNG so that a reader never sees half of it.

    Raises:
        ResultsError: the disk is full or not writable.
    """
    save_png(path, Image.fromarray(image))


def save_png(path: Path, picture: Image.Image) -> None:
    """Write a Pillow picture as PNG, so that a reader never sees half of it; ResultsError if it can't be."""
    with replacing(path) as partial:
        # Runs of equal bytes alone: of photographs as small as with any search of level 1, and quicker.
        picture.save(partial, format="PNG", compress_level=1, compress_type=zlib.Z_RLE)


def picture_libraries() -> str:
    """What decides the bits of a picture that is resized or compressed here: `Pillow 12.0.0, libjpeg-turbo 3.1 ...`."""
    jpeg = "libjpeg-turbo" if features.check_feature("libjpeg_turbo") else "libjpeg"
    jpeg_version = features.version_feature("libjpeg_turbo") or features.version_codec("jpg")
    return f"Pillow {PIL.__version__}, {jpeg} {jpeg_version}, numpy {np.__version__}"


def pixel_sha256(image: Image8) -> str:
    """sha256 of a picture's pixels, row by row, hexadecimal: the same however a file holds them."""
    return hashlib.sha256(image.tobytes()).hexdigest()


def read_only(array: NDArray[_Number]) -> NDArray[_Number]:
    """A view that can't be written to, for what several metrics or methods look at in turn."""
    view = array.view()
    view.flags.writeable = False
    return view
