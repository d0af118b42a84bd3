"""Our imresize against what MATLAB itself returned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.images.files import read_image
from facesr_bench.images.matlab import imresize
from facesr_bench.images.resize import resize

CASES: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "matlab_imresize_small.json").read_text(encoding="ascii")
)


@pytest.mark.parametrize("name", CASES)
def test_float_is_matlabs(name: str) -> None:
    case = CASES[name]
    side = int(case["input"][0])
    ramp = np.arange(side * side, dtype=np.float64).reshape(side, side)
    expected = np.array(case["output"])
    assert case["input"].startswith(f"{side}x{side} ramp 0..{side * side - 1} ")
    result = imresize(ramp, (expected.shape[0], expected.shape[1]), antialias=case["antialiasing"])
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)


def test_uint8_picture_is_matlabs_to_the_bit(shared: Path) -> None:
    folder = shared / "oracle" / "matlab"
    expected = read_image(folder / "lena_123x234_uint8.png")
    np.testing.assert_array_equal(imresize(read_image(folder / "lena_512x512.png"), (123, 234)), expected)


def test_double_picture_is_matlabs(shared: Path) -> None:
    folder = shared / "oracle" / "matlab"
    result = imresize(read_image(folder / "lena_512x512.png") / 255, (123, 234))
    saved = np.clip(np.floor(result * 255 + 0.5), 0, 255)
    assert np.abs(saved - read_image(folder / "lena_123x234_double.png")).max() <= 1


def test_float_overshoots_and_uint8_does_not() -> None:
    edge = np.zeros((8, 8), dtype=np.uint8)
    edge[:, 4:] = 255
    assert imresize(edge.astype(np.float64), (32, 32)).min() < -10
    bits = imresize(edge, (32, 32))
    assert bits.dtype == np.uint8
    assert (bits.min(), bits.max()) == (0, 255)
    assert bits[0, 14] <= 128  # wrapped instead of clipped values would be near 255


def test_halves_round_away_from_zero() -> None:
    """Two pixels to three give an exact half in the middle; half-to-even would make 0.5 a 0 and 2.5 a 2."""
    for low, expected in ((0, 1), (1, 2), (2, 3)):
        row = np.array([[low, low + 1]], dtype=np.uint8)
        exact = imresize(row.astype(np.float64), (1, 3))[0, 1]
        assert exact == low + 0.5
        assert imresize(row, (1, 3))[0, 1] == expected


def test_grey_and_colour_agree(astronaut: NDArray[np.uint8]) -> None:
    colour = imresize(astronaut, (24, 48))
    for channel in range(3):
        np.testing.assert_array_equal(colour[:, :, channel], imresize(astronaut[:, :, channel], (24, 48)))


def test_differs_from_pillow_at_the_border_only(astronaut: NDArray[np.uint8]) -> None:
    """FIELD: at x8 inside, the two differ by about a level; at the border by up to eleven."""
    difference = np.abs(imresize(astronaut, (24, 24)).astype(int) - resize(astronaut, (24, 24)))
    assert difference[2:-2, 2:-2].max() <= 2
    assert difference.max() > 2


def test_same_size_is_the_same_picture(astronaut: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(imresize(astronaut, (192, 192)), astronaut)


@pytest.mark.parametrize(
    ("array", "size"),
    [
        (np.zeros((0, 4), np.uint8), (2, 2)),
        (np.zeros((4, 4), np.uint8), (0, 2)),
        (np.zeros(4, np.uint8), (2, 2)),
        (np.zeros((4, 4), np.int32), (2, 2)),
    ],
)
def test_refuses(array: NDArray[Any], size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"can't resize|uint8 or floating"):
        imresize(array, size)
