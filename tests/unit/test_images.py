"""Every kind of picture file becomes the right uint8 RGB, or an error that says what is wrong with which file."""

from __future__ import annotations

import io
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from facesr_bench.base.errors import DataError
from facesr_bench.images import folders
from facesr_bench.images.files import Image8, read_image, write_png
from tests.png_files import chunk, png


@pytest.fixture
def face(astronaut: NDArray[np.uint8]) -> Image8:
    return np.ascontiguousarray(astronaut[40:100, 60:140])  # 60 high, 80 wide


def encoded(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def deep_png(values: NDArray[np.uint16], orientation: int = 1) -> bytes:
    """A 16-bit PNG, put together by hand: Pillow can't write most of them."""
    height, width, channels = values.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    turned = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    return png(width, height, zlib.compress(rows), depth=16, colour=colour_type, before=turned)


# How a camera that was held as EXIF orientation N says stores an upright picture.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[:, ::-1],
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_exif_orientation(face: Image8, orientation: int, form: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](face)))
    np.testing.assert_array_equal(read_image(encoded(stored, form, exif=exif)), face)


@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_of_16_bit_colour(face: Image8, orientation: int) -> None:
    stored = STORED[orientation](face).astype(np.uint16) * 257
    np.testing.assert_array_equal(read_image(deep_png(stored, orientation)), face)


def test_exif_orientation_of_jpeg(face: Image8) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    stored = Image.fromarray(np.ascontiguousarray(STORED[6](face)))
    result = read_image(encoded(stored, "JPEG", exif=exif, quality=95))
    assert result.shape == face.shape
    assert np.abs(result.astype(int) - face).mean() < 3


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP", "PPM"])
def test_lossless_formats(face: Image8, form: str) -> None:
    options: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(face), form, **options)), face)


def test_grayscale(face: Image8) -> None:
    grey = face[:, :, 1]
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(grey))), np.dstack([grey] * 3))


def test_1_bit(face: Image8) -> None:
    bits = face[:, :, 1] > 100
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(bits))), np.dstack([bits * np.uint8(255)] * 3))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_are_rounded(channels: int) -> None:
    """round(x / 257) for every 16-bit value; the high byte alone would be off by one for about half of them."""
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    planes = np.dstack([values, values[::-1], values.T, values[::-1].T][:channels])
    expected = np.rint(planes / 257).astype(np.uint8)  # x / 257 is never half way: 257 is odd
    colour = np.dstack([expected[:, :, 0]] * 3) if channels < 3 else expected[:, :, :3]
    result = read_image(deep_png(np.ascontiguousarray(planes)))
    np.testing.assert_array_equal(result, colour)
    assert (colour != (planes[:, :, :1] >> 8)).any()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_dropped_and_colour_kept(face: Image8, mode: str) -> None:
    alpha = np.tile(np.linspace(0, 255, face.shape[1]).astype(np.uint8), (face.shape[0], 1))
    colour = face if mode == "RGBA" else face[:, :, :1]
    picture = Image.fromarray(np.dstack([colour, alpha]))
    assert picture.mode == mode
    expected = face if mode == "RGBA" else np.repeat(colour, 3, axis=2)
    np.testing.assert_array_equal(read_image(encoded(picture)), expected)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("transparency", [None, 3, bytes(range(64))])
def test_palette(face: Image8, transparency: int | bytes | None) -> None:
    picture = Image.fromarray(face).quantize(64)
    palette = np.array(picture.getpalette(), dtype=np.uint8).reshape(-1, 3)
    options: dict[str, Any] = {} if transparency is None else {"transparency": transparency}
    np.testing.assert_array_equal(read_image(encoded(picture, **options)), palette[np.asarray(picture)])


def test_cmyk(face: Image8) -> None:
    """A CMYK JPEG as image editors write it (inverted) shows the same colours as the RGB picture."""
    data = encoded(Image.fromarray(face).convert("CMYK"), "JPEG", quality=95, subsampling=0)
    assert Image.open(io.BytesIO(data)).mode == "CMYK"
    assert np.abs(read_image(data).astype(int) - face).mean() < 3


def test_telephone_jpeg_with_a_preview(face: Image8) -> None:
    preview = Image.fromarray(np.zeros((20, 20, 3), np.uint8))
    data = encoded(Image.fromarray(face), "MPO", save_all=True, append_images=[preview], quality=95)
    opened = Image.open(io.BytesIO(data))
    assert (opened.format, opened.n_frames) == ("MPO", 2)  # type: ignore[attr-defined]
    assert np.abs(read_image(data).astype(int) - face).mean() < 3


@pytest.mark.parametrize("form", ["WEBP", "TIFF"])
def test_several_frames(tmp_path: Path, face: Image8, form: str) -> None:
    path = tmp_path / f"moving.{form.lower()}"
    other = Image.fromarray(np.ascontiguousarray(face[::-1]))
    path.write_bytes(encoded(Image.fromarray(face), form, save_all=True, append_images=[other]))
    with pytest.raises(DataError, match=r"moving\.\w+: it has 2 frames; give one picture per file"):
        read_image(path)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nobody\.png: can't be read: No such file"):
        read_image(tmp_path / "nobody.png")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"the file is empty \(0 bytes\)"),
        (b"version: 1\nn_points: 68\n", "not a picture in a format that is read"),
    ],
)
def test_not_a_picture(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(data)
    with pytest.raises(DataError, match=rf"face\.png: {message}"):
        read_image(path)


def test_too_large() -> None:
    with pytest.raises(DataError, match="bomb: too large"):
        read_image(png(20000, 20000, b""), "bomb")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM", "PNG16"])
def test_truncated_anywhere(face: Image8, form: str) -> None:
    """Half a picture is never scored: every cut is a DataError, and never another exception."""
    small = face[:20, :16]
    whole = deep_png(small.astype(np.uint16) * 257) if form == "PNG16" else encoded(Image.fromarray(small), form)
    # A PNG without its last, empty chunk still has every pixel.
    end = len(whole) - (24 if form.startswith("PNG") else 2)
    for length in range(end):
        with pytest.raises(DataError, match=r"^cut: "):
            read_image(whole[:length], "cut")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_damaged_anywhere(face: Image8, form: str) -> None:
    """A flipped byte may go unnoticed by a decoder, but must not raise anything else than DataError."""
    whole = bytearray(encoded(Image.fromarray(face[:20, :16]), form))
    refused = 0
    for i in range(min(len(whole), 400)):
        damaged = bytes(whole[:i]) + bytes([whole[i] ^ 0x5A]) + bytes(whole[i + 1 :])
        try:
            read_image(damaged, "hurt")
        except DataError:
            refused += 1
    assert refused > 10


def test_many_threads(face: Image8) -> None:
    files = [encoded(Image.fromarray(np.roll(face, i, axis=1))) for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        for i, result in enumerate(pool.map(read_image, files)):
            np.testing.assert_array_equal(result, np.roll(face, i, axis=1))


def test_write_png_round_trip(tmp_path: Path, face: Image8) -> None:
    write_png(tmp_path / "a.png", face)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), face)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_list_images(tmp_path: Path, face: Image8) -> None:
    with pytest.raises(DataError, match="missing: no such folder"):
        folders.list_images(tmp_path / "missing")
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(DataError, match="no pictures in it"):
        folders.list_images(tmp_path)
    for name in ("b.PNG", "a.png", ".hidden.png"):
        (tmp_path / name).write_bytes(encoded(Image.fromarray(face)))
    assert [path.name for path in folders.list_images(tmp_path)] == ["a.png", "b.PNG"]


def test_two_pictures_of_one_stem(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"two pictures are called 'a': .*a\.jpg and .*a\.png"):
        folders.by_stem([tmp_path / "a.jpg", tmp_path / "a.png"])


def test_pairs(tmp_path: Path, face: Image8) -> None:
    data = encoded(Image.fromarray(face))
    for folder, names in {"HR": ["a.png", "b.jpg", "only-hr.png"], "LR": ["a.jpg", "b.png", "only-lr.png"]}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_bytes(data)
    with pytest.raises(DataError) as caught:
        folders.pair_by_stem(tmp_path / "HR", tmp_path / "LR")
    message = str(caught.value)
    assert message.startswith("2 pictures without a partner")
    assert f"{tmp_path / 'HR' / 'only-hr.png'}: none in {tmp_path / 'LR'}" in message
    assert f"{tmp_path / 'LR' / 'only-lr.png'}: none in {tmp_path / 'HR'}" in message
    (tmp_path / "HR" / "only-hr.png").unlink()
    (tmp_path / "LR" / "only-lr.png").unlink()
    pairs = folders.pair_by_stem(tmp_path / "HR", tmp_path / "LR")
    assert [(stem, hr.name, lr.name) for stem, hr, lr in pairs] == [("a", "a.png", "a.jpg"), ("b", "b.jpg", "b.png")]


def test_a_large_picture_is_refused_by_our_limit_and_no_library_warns(recwarn: pytest.WarningsRecorder) -> None:
    for side in (10_000, 20_000):  # Pillow warns of the first and refuses the second
        with pytest.raises(DataError, match=rf"bomb: too large: {side}x{side}, the limit is 89478485 pixels"):
            read_image(png(side, side, b""), "bomb")
    assert [str(warning.message) for warning in recwarn] == []
