"""Whether a picture's file is whole, by the checks that its own format carries.

Decoders are lenient: a PNG or JPEG whose tail is missing or zeroed (a power cut, a copy broken off) often decodes
without a word, and its lost rows are scored as if the method had painted them.

    PNG     every chunk's CRC, the IEND that ends it, and as many pixels as it says
    JPEG    segments that follow each other, and the EOI after the last scan; no checksum of the pixels
    WebP    the lengths of the RIFF and of its chunks; no checksum
    TIFF    strips or tiles that lie inside the file; no checksum
    BMP     as long as its header says; no checksum
    PPM     nothing: the decoder counts the pixels

What follows the end of a PNG or JPEG is allowed: telephones write previews and trailers there.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM")
"""The formats that are read, as Pillow calls them (JPEG: with more pictures behind it too, which Pillow calls MPO)."""

MAX_PIXELS = 89_478_485
"""The largest picture that is read: Pillow's own limit against decompression bombs."""

_PNG = b"\x89PNG\r\n\x1a\n"
_FIRST_BYTES = {
    "PNG": re.compile(re.escape(_PNG)),
    "JPEG": re.compile(rb"\xff\xd8"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "TIFF": re.compile(rb"II\*\0|MM\0\*"),
    "BMP": re.compile(rb"BM"),
    "PPM": re.compile(rb"P[1-6]\s"),
}


def sniff(data: bytes) -> str | None:
    """The format of a file by its first bytes, as in `FORMATS`; None for any other."""
    return next((name for name, pattern in _FIRST_BYTES.items() if pattern.match(data)), None)


def why_not_whole(data: bytes) -> str | None:
    """Why a file's own structure says that it is not whole; None where it is, or where that can't be known.

    Args:
        data: all bytes of the file, of one of `FORMATS`.
    """
    check = _CHECKS.get(sniff(data) or "")
    if check is None:
        return None
    try:
        return check(data)
    except (struct.error, IndexError):
        return "it ends early"


_PLAIN = frozenset({b"IHDR", b"IDAT", b"IEND"})


def why_not_plain(data: bytes) -> str | None:
    """Why a PNG is more than 8-bit RGB pixels, as facesr-bench writes it; None where it is no more, or is no whole PNG.

    Transparency and colour profiles change what a browser shows and not what is scored; texts say who made it; what
    stands behind the end is read by nobody who looks at the picture.
    """
    if sniff(data) != "PNG" or why_not_whole(data) is not None:
        return None
    header = png_header(data)
    if (header.depth, header.colour) != (8, 2):
        return f"a PNG of {header.depth} bits and colour type {header.colour}; 8-bit RGB is expected"
    end = len(_PNG)
    for kind, content in _chunks(data):
        if kind not in _PLAIN:
            return f"it has a chunk {_printable(kind)}, and pixels alone are expected"
        end += 12 + len(content)
    return f"{len(data) - end} bytes stand behind its end" if end < len(data) else None


@dataclass(frozen=True)
class PlainPng:
    """A whole PNG that is 8-bit RGB pixels and nothing else.

    Attributes:
        pixels: as they are compressed.
    """

    width: int
    height: int
    pixels: bytes

    def all_there(self) -> bool:
        """Whether it holds as many pixels as it says: a decoder leaves those that are missing black."""
        return _inflates_to([self.pixels], self.height * (1 + 3 * self.width))


class PngHeader(NamedTuple):
    """What a PNG begins with; sizes in px, depth in bits."""

    width: int
    height: int
    depth: int
    colour: int
    compression: int
    filters: int
    interlaced: int


def png_header(data: bytes) -> PngHeader:
    """The header of a PNG, which its first chunk is.

    Raises:
        struct.error: it ends before.
    """
    return PngHeader(*struct.unpack_from(">IIBBBBB", data, len(_PNG) + 8))


_STRIP = 2**20
_RGB8 = (8, 2, 0, 0, 0)
"""What a plain header says behind the size."""


def plain_png(data: bytes) -> PlainPng | None:
    """What facesr-bench writes itself, told in one look at its chunks; None for any other file, whole or not."""
    if not data.startswith(_PNG):
        return None
    kinds, pixels = list[bytes](), list[memoryview]()
    try:
        for kind, content in _chunks(data):
            kinds.append(kind)
            if kind == b"IDAT":
                pixels.append(content)
            elif kind not in _PLAIN or (kind == b"IHDR" and len(content) != 13):
                return None
        width, height, *form = png_header(data)
    except (_NotWholeError, struct.error):
        return None
    if kinds[0] != b"IHDR" or kinds.count(b"IHDR") > 1 or tuple(form) != _RGB8:
        return None
    return PlainPng(width, height, b"".join(pixels)) if width and height and pixels else None


class _NotWholeError(Exception):
    """Why a PNG is not whole."""


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of a PNG's chunks, to IEND.

    Raises:
        _NotWholeError: it ends before, or a checksum is wrong.
    """
    view, place, kind = memoryview(data), len(_PNG), b""
    while kind != b"IEND":
        if place >= len(data):
            raise _NotWholeError("it ends early, without IEND")
        if len(data) < place + 12:
            raise _NotWholeError("it ends early")
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            raise _NotWholeError("it ends early")
        (crc,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(view[place + 4 : end - 4]) != crc:
            raise _NotWholeError(f"the checksum of its chunk {_printable(kind)} is wrong")
        yield kind, view[place + 8 : end - 4]
        place = end


def _png(data: bytes) -> str | None:
    try:
        pixels = [content for kind, content in _chunks(data) if kind == b"IDAT"]
    except _NotWholeError as reason:
        return str(reason)
    header = png_header(data)
    if header.width * header.height > MAX_PIXELS:
        return None  # whoever reads it says that it is too large
    return None if _inflates_to(pixels, _png_size(header)) else "its pixels end early, or can't be unpacked"


_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7, of interlaced PNGs: the first column and row of each pass, and how far it is to the next."""


def _png_size(header: PngHeader) -> int:
    """How many bytes its pixels have before they are compressed; 0 where its header makes no sense to us."""
    width, height, depth, colour, _, _, interlaced = header
    bits = depth * _CHANNELS.get(colour, 0)
    if not bits:
        return 0
    size = 0
    for left, top, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            size += rows * (1 + -(-columns * bits // 8))
    return size


def _inflates_to(parts: Iterable[bytes | memoryview], size: int) -> bool:
    """Whether parts of one zlib stream hold at least so many bytes; no more than a strip of them is kept."""
    stream, found = zlib.decompressobj(), 0
    try:
        for part in parts:
            waiting: bytes | memoryview = part
            while waiting and not stream.eof and found < size:
                found += len(stream.decompress(waiting, _STRIP))
                waiting = stream.unconsumed_tail
        while found < size and (more := stream.decompress(b"", _STRIP)):
            found += len(more)
    except zlib.error:
        return False
    return found >= size


def _printable(kind: bytes) -> str:
    return kind.decode("ascii") if kind.isalpha() else f"0x{kind.hex()}"


_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a length: TEM, RST0-7."""
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_MARKER = re.compile(rb"\xff+([^\xff\x00\xd0-\xd7])", re.DOTALL)
"""A marker among compressed pixels: no escaped 0xFF, and no restart."""


def _jpeg(data: bytes) -> str | None:
    place, scans = 2, 0
    while True:
        if data[place] != 0xFF:
            return f"damaged: no marker where one is expected (byte {place})"
        while data[place] == 0xFF:
            place += 1
        marker = data[place]
        place += 1
        if marker == _EOI:
            return None if scans else "it holds no picture"
        if marker == _SOI:
            return "it ends early: another picture (a preview?) begins before its EOI marker"
        if marker in _STANDALONE:
            continue
        (length,) = struct.unpack_from(">H", data, place)
        if length < 2:
            return f"damaged: a segment of length {length} (byte {place})"
        place += length
        if place > len(data):
            return "it ends early"
        if marker == _SOS:
            scans += 1
            following = _MARKER.search(data, place)
            if following is None:
                return "it ends early, without the EOI marker after its last scan"
            place = following.start()


def _webp(data: bytes) -> str | None:
    (size,) = struct.unpack_from("<I", data, 4)
    end = 8 + size
    if end > len(data):
        return "it ends early"
    place = 12
    while place < end:
        (length,) = struct.unpack_from("<I", data, place + 4)
        place += 8 + length + length % 2
    return None if place <= end + 1 else "it ends early"  # an odd last chunk may lack its padding


def _bmp(data: bytes) -> str | None:
    (size,) = struct.unpack_from("<I", data, 2)
    return "it ends early" if size > len(data) else None


_STRIPS, _TILES = (273, 279), (324, 325)
_TIFF_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}
_TIFF_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}


def _tiff(data: bytes) -> str | None:
    order = "<" if data[:2] == b"II" else ">"
    (place,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, place)
    tags: dict[int, tuple[int, ...]] = {}
    for i in range(count):
        tag, kind, number = struct.unpack_from(f"{order}HHI", data, place + 2 + 12 * i)
        if tag not in {*_STRIPS, *_TILES} or kind not in _TIFF_SIZES:
            continue
        values = place + 10 + 12 * i
        if number * _TIFF_SIZES[kind] > 4:
            (values,) = struct.unpack_from(f"{order}I", data, values)
        tags[tag] = struct.unpack_from(f"{order}{number}{_TIFF_CODES[kind]}", data, values)
    for starts, lengths in (_STRIPS, _TILES):
        for start, length in zip(tags.get(starts, ()), tags.get(lengths, ()), strict=False):
            if start + length > len(data):
                return "it ends early"
    return None


_CHECKS: dict[str, Callable[[bytes], str | None]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "WEBP": _webp,
    "BMP": _bmp,
    "TIFF": _tiff,
}
