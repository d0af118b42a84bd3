"""What each choice of convention does to PSNR and SSIM: the deltas between published codebases, on faces of our own.

`field` in the comments is the mean over 33 faces of public demo folders (27 at 512 px), measured when the conventions
were collected. `here` is the mean over our seven faces (four pictures at 512 px), bicubic x8. The bands are ours: wide
enough for another release of Pillow or OpenCV, narrow enough that a wrong sign, a forgotten step or a factor fails.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.images.files import Image8
from facesr_bench.images.matlab import imresize
from facesr_bench.images.quantise import quantise
from facesr_bench.images.resize import resize
from facesr_bench.plugins.profile import get_profile
from tests.metric_tools import load_metric

SCALE = 8

# left, top, width, height of the faces in insightface's t1.jpg (1280x886), and of scikit-image's astronaut (512x512)
T1_FACES = (
    (463, 269, 107, 143),
    (901, 54, 103, 149),
    (54, 266, 104, 126),
    (1131, 270, 95, 129),
    (745, 344, 102, 132),
    (270, 146, 96, 124),
)
ASTRONAUT_FACE = (178, 64, 91, 111)
T1_CORNERS = ((40, 100), (420, 100), (740, 20))

TIGHT, WIDE = 128, 220
"""Side of the square around a face, px of the picture: forehead to chin, or the whole head with background."""


def _square(picture: Image8, box: tuple[int, int, int, int], side: int) -> Image8:
    height, width = picture.shape[:2]
    left = min(max(box[0] + box[2] // 2 - side // 2, 0), width - side)
    top = min(max(box[1] + box[3] // 2 - side // 2, 0), height - side)
    return picture[top : top + side, left : left + side]


def _astronaut() -> Image8:
    skimage_data: Any = skimage.data  # it has no types
    return np.asarray(skimage_data.astronaut(), dtype=np.uint8)


def _t1() -> Image8:
    insightface = pytest.importorskip("insightface")
    path = Path(insightface.__file__).parent / "data" / "images" / "t1.jpg"
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def _faces(side: int) -> list[Image8]:
    t1 = _t1()
    squares = [_square(t1, box, side) for box in T1_FACES] + [_square(_astronaut(), ASTRONAUT_FACE, side)]
    return [resize(square, (128, 128)) for square in squares]


@pytest.fixture(scope="module")
def faces() -> list[Image8]:
    """Seven real faces in tight squares, 128x128x3 uint8, native pixels."""
    return _faces(TIGHT)


@pytest.fixture(scope="module")
def pictures() -> list[Image8]:
    """Four pictures of people, 512x512x3 uint8, native pixels."""
    t1 = _t1()
    return [_astronaut()] + [t1[y : y + 512, x : x + 512] for x, y in T1_CORNERS]


def _down(hr: Image8) -> Image8:
    return resize(hr, (hr.shape[0] // SCALE, hr.shape[1] // SCALE))


def _up(lr: Image8) -> Image8:
    return resize(lr, (lr.shape[0] * SCALE, lr.shape[1] * SCALE))


def _sr(hr: Image8) -> Image8:
    return _up(_down(hr))


def _cv2(image: Image8, side: int, interpolation: int) -> Image8:
    return np.asarray(cv2.resize(image, (side, side), interpolation=interpolation), dtype=np.uint8)


def _jpeg(image: Image8, quality: int) -> Image8:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def _cast(hr: Image8) -> Image8:
    """Bicubic SR, a little too red and too little blue."""
    shifted = _sr(hr) * np.array([1.05, 1, 0.95]) + np.array([4, 0, -4])
    return np.asarray(np.clip(np.rint(shifted), 0, 255), dtype=np.uint8)


def _soft(hr: Image8) -> NDArray[np.float64]:
    """A float SR at about 31 dB, where the rounding begins to show."""
    return np.asarray(cv2.GaussianBlur(hr / 255, (0, 0), 1.8), dtype=np.float64)


def _mean(
    metric: str, hrs: list[Image8], profile: str, make: Callable[[Image8], Image8] = _sr, **changes: Any
) -> float:
    """The mean of a metric over `hrs` under a profile with some fields of [pixels] changed, SR being `make(hr)`."""
    used = get_profile(profile)
    used = used.model_copy(update={"pixels": used.pixels.model_copy(update=changes)})
    computed = load_metric(metric, used, SCALE)
    return float(np.mean([computed.per_image(make(hr), computed.prepare(hr)) for hr in hrs]))


def test_border_of_8_changes_psnr_by_a_fifth_of_a_db(faces: list[Image8]) -> None:
    luma = _mean("psnr", faces, "dic-fixed") - _mean("psnr", faces, "dic-fixed", border=0)
    rgb = _mean("psnr", faces, "mmagic-dic") - _mean("psnr", faces, "basicsr-rgb")
    assert 0.10 < luma < 0.40  # field +0.196, here +0.235
    assert 0.10 < rgb < 0.40  # field +0.202, here +0.227


def test_border_of_8_hardly_changes_ssim(faces: list[Image8]) -> None:
    luma = _mean("ssim", faces, "dic-fixed") - _mean("ssim", faces, "dic-fixed", border=0)
    rgb = _mean("ssim", faces, "mmagic-dic") - _mean("ssim", faces, "basicsr-rgb")
    assert 0 < abs(luma) < 0.01  # field -0.0010, here +0.0039
    assert 0 < abs(rgb) < 0.01  # field -0.0001, here +0.0057


def test_the_effect_of_the_border_depends_on_the_crop() -> None:
    """Around whole heads the rim is plain background, easier than the face: the same border lowers PSNR."""
    wide = _faces(WIDE)
    delta = _mean("psnr", wide, "dic-fixed") - _mean("psnr", wide, "dic-fixed", border=0)
    assert -0.40 < delta < -0.05  # here -0.157


def test_luma_reads_higher_than_rgb(faces: list[Image8], pictures: list[Image8]) -> None:
    for images in faces, pictures:
        delta = _mean("psnr", images, "basicsr-y") - _mean("psnr", images, "basicsr-rgb")
        assert 1.32 < delta < 1.75  # field +1.435 and +1.476, here +1.495 and +1.456; 1.32 is the narrower range's part


def test_limited_range_luma_reads_1_32_db_higher_than_full_range(faces: list[Image8], pictures: list[Image8]) -> None:
    narrower = 20 * math.log10(255 / 219)
    for images in faces, pictures:
        delta = _mean("psnr", images, "basicsr-y") - _mean("psnr", images, "basicsr-y", channel="y-full")
        # field +1.3159 (with floor) and +1.3220, here +1.3219; the two sets of weights differ in the fourth digit.
        assert delta == pytest.approx(narrower, abs=5e-4)


def test_rounding_of_luma_costs_a_little(faces: list[Image8]) -> None:
    for metric, floored_field, rounded_field in (("psnr", -0.0064, -0.0033), ("ssim", -0.0009, -0.0008)):
        exact = _mean(metric, faces, "basicsr-y")
        floored = _mean(metric, faces, "basicsr-y", luma_rounding="floor") - exact
        rounded = _mean(metric, faces, "basicsr-y", luma_rounding="round") - exact
        # here PSNR -0.0045 and -0.0021, SSIM -0.0010 and -0.0011
        assert 2.5 * floored_field < floored < 0.3 * floored_field
        assert 2.5 * rounded_field < rounded < 0.3 * rounded_field


def test_profiles_differ_as_their_rounding_does(faces: list[Image8]) -> None:
    """SPARNet's own script against BasicSR's on luma."""
    delta = _mean("psnr", faces, "sparnet") - _mean("psnr", faces, "basicsr-y")
    assert -0.015 < delta < -0.002  # field -0.0064, here -0.0045


def test_uniform_window_reads_lower_than_gaussian(faces: list[Image8]) -> None:
    with_border = _mean("ssim", faces, "sfmnet") - _mean("ssim", faces, "dic-fixed")
    without = _mean("ssim", faces, "sfmnet", border=0) - _mean("ssim", faces, "dic-fixed", border=0)
    assert -0.025 < with_border < -0.004  # field -0.0087, here -0.0116
    assert -0.030 < without < -0.006  # field -0.0125, here -0.0168


def test_ssim_of_rgb_reads_lower_than_of_luma(faces: list[Image8], pictures: list[Image8]) -> None:
    for images in faces, pictures:
        delta = _mean("ssim", images, "basicsr-rgb") - _mean("ssim", images, "basicsr-y")
        assert -0.06 < delta < -0.015  # field -0.0353 and -0.0277, here -0.0362 and -0.0376


def test_dics_overflow_changes_ssim_and_leaves_psnr(faces: list[Image8]) -> None:
    assert _mean("psnr", faces, "dic") == _mean("psnr", faces, "dic-fixed")  # field 0.0000
    delta = _mean("ssim", faces, "dic") - _mean("ssim", faces, "dic-fixed")
    assert -0.002 < delta < -0.0001  # field -0.0006, here -0.0005
    # Not a constant either: the negative's brightness is what SSIM's first term sees. Here +0.0010 around whole heads.
    wide = _faces(WIDE)
    assert 0.0001 < _mean("ssim", wide, "dic") - _mean("ssim", wide, "dic-fixed") < 0.003


def test_the_overflow_is_numpys(faces: list[Image8]) -> None:
    """255 Y in uint8 is 256 - Y, so differences keep their size: shown with the overflow itself."""
    hr, sr = faces[0], _sr(faces[0])
    weights = [65.481, 128.553, 24.966]
    y_hr, y_sr = ((np.dot(x, weights) / 255 + 16).round().astype(np.uint8)[8:-8, 8:-8] for x in (hr, sr))
    wrapped_hr, wrapped_sr = y_hr * np.uint8(255), y_sr * np.uint8(255)
    assert np.array_equal(wrapped_hr, 256 - y_hr.astype(int))
    error = np.mean((y_hr.astype(float) - y_sr) ** 2)
    assert np.mean((wrapped_hr.astype(float) - wrapped_sr) ** 2) == error
    assert _mean("psnr", [hr], "dic") == pytest.approx(20 * math.log10(255 / math.sqrt(error)), abs=1e-9)


RESIZERS: dict[str, Callable[[Image8], Image8]] = {
    "MATLAB LR": lambda hr: _up(imresize(hr, (16, 16))),
    "cv2 cubic LR": lambda hr: _up(_cv2(hr, 16, cv2.INTER_CUBIC)),
    "cv2 area LR": lambda hr: _up(_cv2(hr, 16, cv2.INTER_AREA)),
    "MATLAB down and up": lambda hr: imresize(imresize(hr, (16, 16)), (128, 128)),
    "cv2 cubic up": lambda hr: _cv2(_down(hr), 128, cv2.INTER_CUBIC),
}


@pytest.mark.parametrize(
    ("resizer", "metric", "low", "high"),
    [
        ("MATLAB LR", "psnr", 0.02, 0.15),  # field +0.0624, here +0.0733
        ("MATLAB LR", "ssim", -0.003, -0.0003),  # field -0.0010, here -0.0010
        ("cv2 cubic LR", "psnr", -1.6, -0.6),  # field -1.0677, here -1.0647
        ("cv2 cubic LR", "ssim", 0.002, 0.013),  # field +0.0065, here +0.0060: aliasing looks like detail
        ("cv2 area LR", "psnr", 0.0, 0.06),  # field +0.0073, here +0.0200
        ("cv2 area LR", "ssim", 0.002, 0.011),  # field +0.0055, here +0.0054
        ("MATLAB down and up", "psnr", 0.02, 0.17),  # field +0.0722, here +0.0816
        ("cv2 cubic up", "psnr", 0.06, 0.28),  # field +0.1344, here +0.1488
    ],
)
def test_the_resizer_changes_the_baseline(
    faces: list[Image8], resizer: str, metric: str, low: float, high: float
) -> None:
    delta = _mean(metric, faces, "sparnet", RESIZERS[resizer]) - _mean(metric, faces, "sparnet")
    assert low < delta < high


def test_matlab_and_pillow_lr_differ_at_the_rim_only(faces: list[Image8]) -> None:
    gaps = [np.abs(_down(hr).astype(int) - imresize(hr, (16, 16))) for hr in faces]
    assert 4 < np.mean([gap.max() for gap in gaps]) < 16  # field 11.5, here 8.4
    assert 0.3 < np.mean(gaps) < 1.2  # field 0.675, here 0.629
    assert np.mean([gap[2:-2, 2:-2].max() for gap in gaps]) < 2  # field 1.36, here 1.29
    # And that much only because MATLAB takes rows first: with the axes swapped nothing is left inside (here 0).
    for hr in faces:
        swapped = imresize(np.ascontiguousarray(hr.transpose(1, 0, 2)), (16, 16)).transpose(1, 0, 2)
        assert np.abs(_down(hr).astype(int) - swapped)[2:-2, 2:-2].max() <= 1


def test_cv2_cubic_lr_differs_everywhere(faces: list[Image8]) -> None:
    """OpenCV's bicubic has no antialiasing: it samples 16 of 128 rows."""
    gaps = [np.abs(_down(hr).astype(int) - _cv2(hr, 16, cv2.INTER_CUBIC)) for hr in faces]
    assert 40 < np.mean([gap.max() for gap in gaps]) < 120  # field 79.8, here 63.4
    assert 5 < np.mean(gaps) < 16  # field 10.4, here 8.3
    assert np.mean([gap[2:-2, 2:-2].max() for gap in gaps]) > 40  # here 60.4


@pytest.mark.parametrize(("quality", "low", "high"), [(95, -0.010, -0.0003), (75, -0.05, -0.005)])
def test_sr_saved_as_jpeg_loses_a_little(faces: list[Image8], quality: int, low: float, high: float) -> None:
    delta = _mean("psnr", faces, "sparnet", lambda hr: _jpeg(_sr(hr), quality)) - _mean("psnr", faces, "sparnet")
    assert low < delta < high  # field -0.0032 at 95 and -0.0201 at 75, here -0.0014 and -0.0142


def test_truncating_sr_costs_a_fiftieth_of_a_db(faces: list[Image8]) -> None:
    rounded = _mean("psnr", faces, "sparnet", lambda hr: quantise(_soft(hr), "round"))
    truncated = _mean("psnr", faces, "sparnet", lambda hr: quantise(_soft(hr), "truncate"))
    assert 29 < rounded < 32.5  # field 30.74
    assert -0.04 < truncated - rounded < -0.008  # field -0.0195


def test_forcing_mean_and_deviation_costs_where_there_is_no_cast(faces: list[Image8], pictures: list[Image8]) -> None:
    for images in faces, pictures:
        delta = _mean("psnr", images, "vqfr") - _mean("psnr", images, "basicsr-rgb")
        assert -0.2 < delta < -0.01  # field -0.0788 and -0.125, here -0.0655 and -0.0389


def test_forcing_mean_and_deviation_hides_a_colour_cast(faces: list[Image8], pictures: list[Image8]) -> None:
    for images in faces, pictures:
        seen = _mean("psnr", images, "basicsr-rgb", _cast) - _mean("psnr", images, "basicsr-rgb")
        hidden = _mean("psnr", images, "vqfr", _cast) - _mean("psnr", images, "vqfr")
        gained = _mean("psnr", images, "vqfr", _cast) - _mean("psnr", images, "basicsr-rgb", _cast)
        assert seen < -0.4  # field -0.52 and -3.10 (casts of its own), here -1.34 and -1.32
        assert abs(hidden) < 0.01  # field +0.0017, here +0.0000 and +0.0002
        assert 0.3 < gained < 4  # field +0.44 and +2.97, here +1.28 and +1.28


def test_shrinking_before_ssim_raises_it(faces: list[Image8], pictures: list[Image8]) -> None:
    delta = _mean("ssim", pictures, "piq") - _mean("ssim", pictures, "basicsr-rgb")
    assert 0.02 < delta < 0.07  # field +0.0378, here +0.0486
    assert _mean("ssim", faces, "piq") == _mean("ssim", faces, "basicsr-rgb")  # nothing to shrink at 128 px


def test_pyiqa_is_near_rgb_for_ssim_and_psnr(pictures: list[Image8]) -> None:
    ssim = _mean("ssim", pictures, "pyiqa-y") - _mean("ssim", pictures, "basicsr-rgb")
    psnr = _mean("psnr", pictures, "pyiqa-y") - _mean("psnr", pictures, "basicsr-rgb")
    assert 0.001 < ssim < 0.02  # field +0.0048, here +0.0115
    assert 0.03 < psnr < 0.4  # field +0.154, here +0.134
