"""Faces of photographs: the transform against scikit-image and OpenCV, turning, cutting out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.transform import SimilarityTransform

from facesr_bench.base.errors import MetricError
from facesr_bench.data.ffhq import TEMPLATE, five_of_68
from facesr_bench.data.sources import open_dataset
from facesr_bench.faces import photographs as faces
from facesr_bench.faces.detection import Face, overlap
from facesr_bench.faces.photographs import Found
from facesr_bench.plugins.dataset import Picture

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def demo() -> dict[str, Picture]:
    dataset, protocol = open_dataset("demo-x8", {})
    return {item.id: dataset.read(item, protocol) for item in dataset.items(protocol)}


def found(picture: Picture) -> Found:
    assert picture.landmarks is not None
    return Found((0.0, 0.0, 1.0, 1.0), five_of_68(picture.landmarks), 1.0)


def pixels(picture: Picture) -> Pixels:
    assert picture.hr is not None
    return picture.hr


def template(side: int) -> NDArray[np.float64]:
    return (np.array(TEMPLATE) + 0.5) * (side / 512) - 0.5


def everywhere(matrix: NDArray[np.float64], other: NDArray[np.float64], side: int) -> float:
    """The largest distance of two transforms over the aligned square, px of it."""
    square = faces.corners(matrix, side)
    return float(np.abs((square @ (matrix - other)[:, :2].T) + (matrix - other)[:, 2]).max())


@pytest.mark.parametrize("side", [128, 512])
@pytest.mark.parametrize("name", ["astronaut", "t1-1", "t1-3", "t1-6"])
def test_a_face_lies_where_scikit_image_puts_it_to_a_tenth_of_a_pixel(
    demo: dict[str, Picture], name: str, side: int
) -> None:
    face = found(demo[name])
    other = SimilarityTransform.from_estimate(face.points, template(side))
    assert isinstance(other, SimilarityTransform)
    assert everywhere(face.matrix(side), np.asarray(other.params)[:2], side) < 1e-6


def test_a_face_lies_where_opencv_puts_it_to_a_tenth_of_a_pixel() -> None:
    """As facexlib estimates it; by points that one similarity explains, for OpenCV leaves out those that fit badly."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        angle, scale, shift = rng.uniform(-1.5, 1.5), rng.uniform(0.1, 3), rng.uniform(-200, 200, 2)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        face = Found((0, 0, 1, 1), template(512) @ turn.T + shift, 1)
        other, _ = cv2.estimateAffinePartial2D(face.points, np.array(TEMPLATE), method=cv2.LMEDS)
        assert everywhere(face.matrix(512), np.asarray(other, np.float64), 512) < 0.1
        assert faces.rotation(face.matrix(512)) == pytest.approx(np.degrees(angle))
        assert faces.size_of_step(face.matrix(512)) == pytest.approx(1 / scale)


@pytest.mark.parametrize("side", [64, 200, 512])
def test_a_face_is_cut_out_as_opencv_warps_it(demo: dict[str, Picture], side: int) -> None:
    """Smaller, where single pixels would be skipped, as OpenCV warps a picture that was blurred before."""
    picture = demo["astronaut"]
    matrix = found(picture).matrix(side)
    ours, beyond = faces.cut(pixels(picture), matrix, side)
    step = 1 / faces.size_of_step(matrix)
    source = pixels(picture) if step <= 1 else cv2.GaussianBlur(pixels(picture), (0, 0), 0.4 * step)
    warped = cv2.warpAffine(
        source, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=faces.BORDER
    )
    away = np.abs(ours.astype(float) - warped).mean()
    assert away < 0.35 * np.abs(np.roll(ours, 1, axis=1).astype(float) - warped).mean()
    assert beyond == pytest.approx((warped == faces.BORDER).all(axis=2).mean(), abs=0.01)


def test_a_large_face_is_averaged_not_skipped_through() -> None:
    """Stripes of 2 px, reduced by 8: gray, where a plain warp would show stripes."""
    stripes = np.zeros((2048, 2048, 3), np.uint8)
    stripes[:, ::4], stripes[:, 1::4] = 255, 255
    face, beyond = faces.cut(stripes, np.array([[0.125, 0, 0], [0, 0.125, 0]]), 256)
    assert beyond == 0
    assert np.abs(face[8:-8, 8:-8].astype(int) - 128).max() <= 2
    turned = np.array([[0.1, 0.05, 0], [-0.05, 0.1, 64]])  # of no whole number of pixels
    assert np.abs(faces.cut(stripes, turned, 128)[0][32:-32, 32:-32].astype(int) - 128).max() <= 32


def test_an_aligned_picture_is_cut_out_as_it_is() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    matrix = Found((0, 0, 1, 1), np.array(TEMPLATE), 1).matrix(512)
    np.testing.assert_array_equal(faces.cut(picture, matrix, 512)[0], picture)


def test_what_lies_beyond_the_photograph_is_gray_and_counted() -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    half, share = faces.cut(white, np.array([[1.0, 0, 32], [0, 1, 0]]), 64)
    assert share == 0.5
    assert (half[:, :32] == faces.BORDER).all() and (half[:, 32:] == 255).all()
    nothing, share = faces.cut(white, np.array([[1.0, 0, 900], [0, 1, 900]]), 64)
    assert share == 1 and (nothing == faces.BORDER).all()


def test_transforms_of_other_sizes_are_those_of_other_sizes() -> None:
    face = Found((0, 0, 1, 1), template(512) * 0.7 + (13.25, -4.5), 1)
    np.testing.assert_allclose(faces.rescaled(face.matrix(512), target=0.25), face.matrix(128), atol=1e-9)
    double = Found((0, 0, 1, 1), (face.points + 0.5) * 2 - 0.5, 1)
    np.testing.assert_allclose(faces.rescaled(face.matrix(512), source=2), double.matrix(512), atol=1e-9)


def test_points_on_one_spot_are_refused() -> None:
    with pytest.raises(MetricError, match="all lie on one spot"):
        Found((0, 0, 1, 1), np.full((5, 2), 7.0), 1).matrix(512)


class Seeing:
    """Finds a face where the picture has its one white pixel; only if that lies in the upper left quarter."""

    name = "seeing"
    takes_turned = False

    def five_points(self, image: Pixels) -> NDArray[np.float64]:
        raise NotImplementedError

    def every_face(self, image: Pixels) -> list[Face]:
        (y, x), *_ = np.argwhere(image[..., 0] == 255)
        if x > image.shape[1] / 2 or y > image.shape[0] / 2:
            return []
        points = np.array([(x, y), (x + 4, y), (x + 2, y + 2), (x, y + 4), (x + 4, y + 4)], float)
        return [Face((float(x), float(y), 1.0, 1.0), points, 0.9)]


@pytest.mark.parametrize("place", [(2, 3), (2, 36), (25, 3), (25, 36)])
def test_a_photograph_that_lies_on_its_side_is_turned_and_the_points_turned_back(place: tuple[int, int]) -> None:
    photograph = np.zeros((30, 40, 3), np.uint8)
    photograph[place] = 255
    (face,) = faces.find_faces(Seeing(), photograph)
    y, x = place
    np.testing.assert_allclose(face.points[0], (x, y))
    assert face.box == (x, y, 1, 1)
    assert face.eye_distance == pytest.approx(4)


class Mistaken:
    """Takes a face for one however it is turned, and is surest of it upright; a second face stands upright always."""

    name = "mistaken"
    takes_turned = True

    def __init__(self, upright: int) -> None:
        self.upright, self.turn = upright, -1

    def five_points(self, image: Pixels) -> NDArray[np.float64]:
        raise NotImplementedError

    def every_face(self, image: Pixels) -> list[Face]:
        self.turn += 1
        turns = faces.TURNS[self.turn]
        (y, x), *_ = np.argwhere(image[..., 0] == 255)
        points = np.array([(x, y), (x + 4, y), (x + 2, y + 2), (x, y + 4), (x + 4, y + 4)], float)
        side = 6.0 if turns == self.upright else 4.0
        box = (float(x) - side / 2, float(y) - side / 2, side, side)
        return [Face(box, points, 0.95 if turns == self.upright else 0.88)]


@pytest.mark.parametrize(("upright", "rotation"), [(0, 0), (1, 90), (2, 180), (3, -90)])
def test_of_a_face_that_is_found_turned_too_the_surest_counts(upright: int, rotation: float) -> None:
    photograph = np.zeros((30, 40, 3), np.uint8)
    photograph[14, 17] = 255
    (face,) = faces.find_faces(Mistaken(upright), photograph)
    assert face.score == 0.95
    away = (faces.rotation(face.matrix(64)) - rotation + 180) % 360 - 180
    assert abs(away) < 1, "the template itself leans a little"


def test_overlaps_are_shares_of_the_union() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (20, 0, 10, 10)) == 0
