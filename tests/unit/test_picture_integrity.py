"""A picture whose own structure says that it is not whole is refused, and so is what is no picture at all."""

from __future__ import annotations

import io
import os
import unicodedata
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from facesr_bench.base.errors import DataError
from facesr_bench.images import files
from facesr_bench.images.files import Image8, read_image
from facesr_bench.images.folders import list_images, pair_by_stem
from facesr_bench.images.integrity import plain_png, why_not_whole
from tests.png_files import png


@pytest.fixture
def face(astronaut: NDArray[np.uint8]) -> Image8:
    return np.ascontiguousarray(astronaut[40:104, 60:140])


def encoded(image: NDArray[Any], form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, form, **options)
    return stream.getvalue()


FORMS: list[tuple[str, dict[str, Any]]] = [
    ("PNG", {}),
    ("JPEG", {"quality": 90}),
    ("JPEG", {"quality": 90, "progressive": True}),
    ("WEBP", {"lossless": True}),
    ("WEBP", {"quality": 80}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("BMP", {}),
    ("PPM", {}),
]


@pytest.mark.parametrize(("form", "options"), FORMS)
def test_whole_files_are_read(face: Image8, form: str, options: dict[str, Any]) -> None:
    data = encoded(face, form, **options)
    assert why_not_whole(data) is None
    assert read_image(data).shape == face.shape


@pytest.mark.parametrize("keep", [0.3, 0.9, 0.99])
@pytest.mark.parametrize(("form", "options"), FORMS)
def test_files_that_end_early_are_refused(face: Image8, form: str, options: dict[str, Any], keep: float) -> None:
    data = encoded(face, form, **options)
    with pytest.raises(DataError, match=r"^a: "):
        read_image(data[: int(keep * len(data))], "a")


@pytest.mark.parametrize("keep", [0.3, 0.9])
@pytest.mark.parametrize(("form", "options"), FORMS[:3])
def test_a_tail_of_zeros_is_refused(face: Image8, form: str, options: dict[str, Any], keep: float) -> None:
    """What a power cut leaves: the right length, and nothing in the last blocks."""
    data = encoded(face, form, **options)
    cut = int(keep * len(data))
    with pytest.raises(DataError, match="a: damaged or truncated: "):
        read_image(data[:cut] + bytes(len(data) - cut), "a")


@pytest.mark.parametrize(("form", "options"), FORMS[:3])
def test_what_follows_the_end_is_allowed(face: Image8, form: str, options: dict[str, Any]) -> None:
    data = encoded(face, form, **options)
    assert np.array_equal(read_image(data + b"a trailer \xff\xd8 of a phone"), read_image(data))


@pytest.mark.parametrize("options", [{}, {"compress_level": 0}, {"compress_level": 1, "compress_type": zlib.Z_RLE}])
def test_a_plain_png_is_read_as_any_other(
    face: Image8, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way that is short for the files that facesr-bench writes gives what the way of all files gives."""
    data = encoded(face, "PNG", **options)
    assert plain_png(data) is not None
    short = read_image(data)
    assert short.flags.writeable and short.flags.c_contiguous
    monkeypatch.setattr(files, "plain_png", lambda data: None)
    assert np.array_equal(short, read_image(data)) and np.array_equal(short, face)


def test_no_other_png_is_plain(face: Image8) -> None:
    whole = encoded(face, "PNG")
    assert plain_png(whole) is not None
    text = PngImagePlugin.PngInfo()
    text.add_text("who", "me")
    turned = Image.Exif()
    turned[0x0112] = 6
    others = [
        encoded(face, "PNG", pnginfo=text),
        encoded(face, "PNG", exif=turned),
        encoded(face[..., 0], "PNG"),
        encoded(np.dstack([face, face[..., :1]]), "PNG"),
        cv2.imencode(".png", face.astype(np.uint16))[1].tobytes(),
        encoded(face, "BMP"),
        *(whole[:end] for end in (4, 20, 40, -1)),
        whole[:-16] + bytes([whole[-16] ^ 1]) + whole[-15:],
    ]
    assert [plain_png(data) for data in others] == [None] * len(others)
    assert read_image(others[1]).shape == (face.shape[1], face.shape[0], 3), "turned as its EXIF says"


def test_a_wrong_checksum_names_its_chunk(face: Image8) -> None:
    data = bytearray(encoded(face, "PNG"))
    data[data.index(b"IEND") - 6] ^= 1  # the last byte but one of IDAT's checksum
    with pytest.raises(DataError, match="the checksum of its chunk IDAT is wrong"):
        read_image(bytes(data), "a")


@pytest.mark.parametrize("form", ["GIF", "EPS", "ICO"])
def test_other_formats_are_refused_whatever_the_name(face: Image8, form: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(encoded(face, form))
    with pytest.raises(DataError, match=r"x\.png: not a picture in a format that is read: PNG, JPEG, BMP, WEBP, TIFF"):
        read_image(path)


def test_deep_colour_is_exact_in_png_and_tiff(face: Image8, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-128, 129, face.shape)
    deep = np.clip(face.astype(np.int64) * 257 + noise, 0, 65535).astype(np.uint16)
    for name in ("a.png", "a.tif"):
        cv2.imwrite(str(tmp_path / name), deep[:, :, ::-1])
        assert np.array_equal(read_image(tmp_path / name), face), name
    Image.fromarray(deep[:, :, 0]).save(tmp_path / "grey.tif")
    assert np.array_equal(read_image(tmp_path / "grey.tif")[:, :, 1], face[:, :, 0])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.linspace(0, 1, 64 * 64).reshape(64, 64).astype(np.float32), "32-bit floats"),
        (np.arange(64 * 64).reshape(64, 64).astype(np.int32), "32-bit signed integers"),
    ],
)
def test_depths_without_a_declared_white_are_refused(values: NDArray[Any], words: str, tmp_path: Path) -> None:
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=f"a TIFF of {words}, whose white is not declared"):
        read_image(tmp_path / "a.tif")


TIFFS: dict[str, tuple[dict[str, Any], bool]] = {
    "16 bits": ({"photometric": "rgb"}, True),
    "big-endian": ({"photometric": "rgb", "byteorder": ">"}, True),
    "deflate, predicted": ({"photometric": "rgb", "compression": "zlib", "predictor": True}, True),
    "tiles": ({"photometric": "rgb", "tile": (16, 16)}, True),
    "separate planes": ({"photometric": "rgb", "planarconfig": "separate"}, False),
    "gray, white is 0": ({"photometric": "miniswhite"}, False),
    "CMYK": ({"photometric": "separated"}, False),
    "alpha multiplied in": ({"photometric": "rgb", "extrasamples": ["assocalpha"]}, False),
    "CIE Lab": ({"photometric": "cielab"}, False),
}


@pytest.mark.parametrize("deep", [True, False])
@pytest.mark.parametrize("form", TIFFS)
def test_a_tiff_is_read_exactly_or_refused(form: str, deep: bool, tmp_path: Path) -> None:
    """However its samples lie: never read as something else."""
    options, exact = TIFFS[form]
    values = np.random.default_rng(0).integers(0, 65536, (40, 48, 3)).astype(np.uint16)
    expected = ((values.astype(np.int64) + 128) // 257).astype(np.uint8)
    stored: NDArray[Any] = values if deep else expected
    if form == "gray, white is 0":
        stored, expected = stored[..., 0], np.repeat(255 - expected[..., :1], 3, axis=2)
    elif form == "separate planes":
        stored = stored.transpose(2, 0, 1)
    elif form in {"CMYK", "alpha multiplied in"}:
        stored = np.dstack([stored, stored[..., :1]])
    tifffile.imwrite(tmp_path / "a.tif", stored, **options)
    if exact or (not deep and form in {"separate planes", "gray, white is 0"}):
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), expected)
    elif not deep and form == "CMYK":
        assert read_image(tmp_path / "a.tif").shape == expected.shape  # by Pillow's rule, as documented
    else:
        with pytest.raises(DataError, match=r"a TIFF (of|whose) .*save it"):
            read_image(tmp_path / "a.tif")


def test_a_jpeg_that_ends_in_another_one_is_no_whole_one(face: Image8) -> None:
    """A telephone's picture whose end is lost, and whose preview is not: the preview's end is not its own."""
    stream = io.BytesIO()
    Image.fromarray(face).save(stream, "JPEG", quality=90)
    whole = stream.getvalue()
    np.testing.assert_array_equal(read_image(whole + whole), read_image(whole))
    with pytest.raises(DataError, match="another picture"):
        read_image(whole[: len(whole) // 2] + bytes(200) + whole)


def test_what_is_no_regular_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "nowhere.png").symlink_to("gone")
    (tmp_path / "loop.png").symlink_to("loop.png")
    words = {"fifo": "not a regular file", "zero": "not a regular file", "folder": "it is a folder"}
    for path in list_images(tmp_path):
        with pytest.raises(DataError, match=words.get(path.stem, "can't be read")):
            read_image(path)


def test_names_in_two_unicode_forms_are_one(face: Image8, tmp_path: Path) -> None:
    for folder, form in (("HR", "NFD"), ("LR", "NFC")):
        (tmp_path / folder).mkdir()
        name = unicodedata.normalize(form, "José")  # type: ignore[arg-type]
        Image.fromarray(face).save(tmp_path / folder / f"{name}.png")
    ((stem, hr, lr),) = pair_by_stem(tmp_path / "HR", tmp_path / "LR")
    assert stem == unicodedata.normalize("NFC", "José") and hr.is_file() and lr.is_file()


ADAM7 = (
    (1, 6, 4, 6, 2, 6, 4, 6), (7, 7, 7, 7, 7, 7, 7, 7), (5, 6, 5, 6, 5, 6, 5, 6), (7, 7, 7, 7, 7, 7, 7, 7),
    (3, 6, 4, 6, 3, 6, 4, 6), (7, 7, 7, 7, 7, 7, 7, 7), (5, 6, 5, 6, 5, 6, 5, 6), (7, 7, 7, 7, 7, 7, 7, 7),
)  # fmt: skip
"""The pass that draws each pixel of a block of 8 x 8, as the PNG specification shows it."""


def png_of(width: int, height: int, depth: int, colour: int, interlaced: bool, missing: int = 0) -> bytes:
    """A PNG whose checksums are right, of white pixels, less so many bytes of them at the end."""
    bits = depth * {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    rows: list[int] = []  # pixels of each
    for number in range(1, 8) if interlaced else (0,):
        for y in range(height):
            inside = [x for x in range(width) if not interlaced or ADAM7[y % 8][x % 8] == number]
            rows += [len(inside)] if inside else []
    raw = b"".join(b"\0" + b"\xff" * -(-pixels * bits // 8) for pixels in rows)
    pixels = zlib.compress(raw[: len(raw) - missing])
    return png(width, height, pixels[:20], pixels[20:], depth=depth, colour=colour, interlaced=interlaced)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("depth", "colour"), [(8, 2), (8, 0), (1, 0), (4, 0), (16, 2), (8, 4), (8, 6), (16, 6)])
@pytest.mark.parametrize("size", [(13, 9), (1, 1), (40, 33)])
def test_a_png_of_fewer_pixels_than_it_says_is_refused(
    size: tuple[int, int], depth: int, colour: int, interlaced: bool
) -> None:
    """Its decoder would leave them black, and say nothing."""
    assert (read_image(png_of(*size, depth, colour, interlaced)) == 255).all()
    for missing in (1, 3):
        with pytest.raises(DataError, match="its pixels end early"):
            read_image(png_of(*size, depth, colour, interlaced, missing), name="it")


def test_a_png_that_says_it_is_huge_is_not_unpacked_to_see() -> None:
    with pytest.raises(DataError, match="too large"):
        read_image(png(100_000, 100_000, b"no stream"), name="it")
