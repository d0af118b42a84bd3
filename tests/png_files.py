"""PNGs put together by hand: what no library writes."""

from __future__ import annotations

import struct
import zlib


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    width: int,
    height: int,
    *pixels: bytes,
    depth: int = 8,
    colour: int = 2,
    interlaced: bool = False,
    before: bytes = b"",
) -> bytes:
    """A file that says it has this form.

    Args:
        pixels: what is in its chunks of pixels, compressed.
        before: chunks between header and pixels.
    """
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    data = b"".join(chunk(b"IDAT", part) for part in pixels)
    return b"\x89PNG\r\n\x1a\n" + header + before + data + chunk(b"IEND", b"")
