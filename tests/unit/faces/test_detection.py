"""Face detectors: the view and its way back, the choice among faces, an SCRFD that finds light, and real faces."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.base.errors import DetectionError, MetricError, WeightsError
from facesr_bench.faces.detection import (
    DlibDetector,
    Face,
    FaceDetector,
    ScrfdDetector,
    YunetDetector,
    main_face,
    make_view,
)
from facesr_bench.faces.points import five_points
from facesr_bench.images.files import Image8, read_image
from facesr_bench.images.resize import resize

Points = NDArray[np.float64]

# The astronaut's eyes, tip of the nose and corners of the mouth in the fixture's crop, by eye; px.
ASTRONAUT = np.array([[76, 101], [119, 103], [96, 126], [77, 141], [116, 142]], np.float64)


def spot(x: float, y: float, shape: tuple[int, int], radius: float = 6.0) -> Image8:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    glow = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2))
    return np.repeat(glow[:, :, None], 3, axis=2).astype(np.uint8)


def brightest(picture: Image8) -> Points:
    """Centre of the light, px."""
    light = picture[:, :, 0].astype(np.float64)
    rows, columns = np.mgrid[: light.shape[0], : light.shape[1]]
    return np.asarray([[(columns * light).sum(), (rows * light).sum()]] / light.sum())


@pytest.mark.parametrize("shape", [(128, 128), (96, 128), (301, 200), (512, 512), (17, 17)])
@pytest.mark.parametrize("side", [256, 640])
def test_points_of_a_view_come_back(shape: tuple[int, int], side: int) -> None:
    height, width = shape
    x, y = 0.4 * width, 0.6 * height
    view = make_view(spot(x, y, shape, radius=min(shape) / 16), side)
    assert view.picture.shape == (side, side, 3)
    assert np.abs(view.to_picture(brightest(view.picture)) - (x, y)).max() < 0.02 * max(shape) / 16 + 0.01


def test_a_view_is_the_picture_in_the_middle_of_black() -> None:
    white = np.full((60, 100, 3), 255, np.uint8)
    view = make_view(white, 200)
    assert view.scale == 1
    assert (view.picture[70:130, 50:150] == 255).all()
    assert view.picture.sum() == white.sum()


def test_the_size_of_the_picture_does_not_matter(astronaut: Image8) -> None:
    small, large = (make_view(resize(astronaut, (side, side)), 256).picture.astype(int) for side in (128, 512))
    assert np.abs(small - large).mean() < 3


@pytest.mark.parametrize("image", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)])
def test_no_picture(image: NDArray[Any]) -> None:
    with pytest.raises(MetricError, match="must be uint8 HxWx3"):
        make_view(image, 256)


def test_large_and_central_wins() -> None:
    def face(left: float, top: float, side: float) -> Face:
        return Face((left, top, side, side), np.zeros((5, 2)))

    central, corner, small = face(40, 40, 20), face(0, 0, 24), face(48, 48, 4)
    assert main_face([corner, central, small], 100) is central
    assert main_face([small, central], 100) is central
    assert main_face([corner], 100) is corner
    assert main_face([central, face(20, 20, 60)], 100).box[2] == 60


class Told(DlibDetector):
    """A detector that finds what it is told."""

    name = "told"
    sides = (256, 100)

    def __init__(self, faces: dict[int, list[Face]]) -> None:
        super(DlibDetector, self).__init__()
        self._faces = faces

    def _find(self, picture: NDArray[np.uint8]) -> list[Face]:
        assert picture.shape in {(256, 256, 3), (100, 100, 3)}
        return self._faces.get(len(picture), [])


def test_points_are_the_pictures() -> None:
    told = Face((64, 64, 128, 128), np.tile([[127.5, 127.5]], (5, 1)))
    assert np.allclose(Told({256: [told]}).five_points(np.zeros((128, 128, 3), np.uint8)), 63.5, rtol=0, atol=1e-12)
    assert np.allclose(
        Told({256: [told]}).five_points(np.zeros((511, 301, 3), np.uint8)), (150, 255), rtol=0, atol=1e-9
    )


def test_a_second_view_is_tried() -> None:
    found, missed = Face((20, 20, 40, 40), np.full((5, 2), 49.5)), Face((0, 0, 9, 9), np.full((5, 2), np.nan))
    for first in ([], [missed]):
        points = Told({256: first, 100: [found]}).five_points(np.zeros((120, 80, 3), np.uint8))
        assert np.allclose(points, (39.5, 59.5), rtol=0, atol=1e-12)
    assert np.allclose(Told({256: [found], 100: []}).five_points(np.zeros((128, 128, 3), np.uint8)), 49.5 - 64)


def test_no_face_is_said_plainly() -> None:
    lost = Face((0, 0, 9, 9), np.full((5, 2), np.nan))
    for faces in ([], [lost]):
        with pytest.raises(DetectionError, match="told found no face in the 40x30 picture"):
            Told({256: faces}).five_points(np.zeros((30, 40, 3), np.uint8))
    assert issubclass(DetectionError, MetricError)


def light_scrfd(path: Path, *, side: int | str = "S", outputs: int = 9) -> Path:
    """An SCRFD of the published interface whose faces are where the light is.

    Per stride s: the score is the average brightness beside the anchor, in [0, 1]; the box reaches 4 s to each side,
    and the five points lie around the anchor at OFFSETS s.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def constant(name: str, values: Any, kind: Any = np.float32) -> Any:
        return numpy_helper.from_array(np.asarray(values, kind), name)

    nodes, weights, infos = [], [constant("half", 0.5), constant("rows", [-1, 1], np.int64)], []
    nodes.append(helper.make_node("ReduceMean", ["data"], ["gray"], axes=[1], keepdims=1))
    results: dict[str, list[str]] = {"score": [], "box": [], "points": []}
    for stride in (8, 16, 32):
        s = str(stride)
        # The anchor is the top-left corner of its cell; two anchors a cell.
        nodes += [
            helper.make_node("AveragePool", ["gray"], [f"pool{s}"], kernel_shape=[stride] * 2, strides=[stride] * 2),
            helper.make_node("Mul", [f"pool{s}", "half"], [f"halved{s}"]),
            helper.make_node("Add", [f"halved{s}", "half"], [f"bright{s}"]),
            helper.make_node("Concat", [f"bright{s}", f"bright{s}"], [f"both{s}"], axis=1),
            helper.make_node("Transpose", [f"both{s}"], [f"last{s}"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", [f"last{s}", "rows"], [f"score{s}"]),
        ]
        for kind, values in (("box", [4.0] * 4), ("points", OFFSETS.ravel())):
            zero = f"zero_{kind}{s}"
            weights += [constant(f"{kind}_is{s}", values), constant(f"none_{kind}{s}", [0.0])]
            nodes += [
                helper.make_node("Mul", [f"score{s}", f"none_{kind}{s}"], [zero]),
                helper.make_node("Add", [zero, f"{kind}_is{s}"], [f"{kind}{s}"]),
            ]
        for kind, made in results.items():
            made.append(f"{kind}{s}")
    for names, width in zip(results.values(), (1, 4, 10), strict=True):
        infos += [helper.make_tensor_value_info(name, TensorProto.FLOAT, [f"N{name}", width]) for name in names]
    data = helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, side, side])
    graph = helper.make_graph(nodes, "light", [data], infos[:outputs], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


OFFSETS = np.array([[-1, -1], [1, -1], [0, 0], [-1, 1], [1, 1]], np.float64)


@pytest.mark.parametrize("side", ["S", 640])
def test_scrfd_finds_the_light(tmp_path: Path, side: int | str) -> None:
    """Its points, in px of the view, must land at those of the picture, whatever its size and shape."""
    detector: FaceDetector = ScrfdDetector(light_scrfd(tmp_path / "det_10g.onnx", side=side))
    assert detector.name == "scrfd"
    for shape, place in (((128, 128), (40.0, 70.0)), ((250, 200), (120.0, 90.0)), ((512, 512), (300.0, 260.0))):
        found = detector.five_points(spot(*place, shape, radius=max(shape) / 10))
        px = max(shape) * 2 / 640  # of the picture, per px of the view
        assert found.shape == (5, 2)
        assert found.dtype == np.float64
        # Anchors are the cells' corners, 8 to 32 px apart.
        assert np.abs(found[2] - place).max() < 40 * px
        spread = (found - found[2]) / px
        stride = spread[4, 0]
        assert min(abs(stride - s) for s in (8, 16, 32)) < 1e-3
        assert np.allclose(spread, OFFSETS * stride, rtol=0, atol=1e-3)
    with pytest.raises(DetectionError, match="scrfd found no face in the 128x128 picture"):
        detector.five_points(np.zeros((128, 128, 3), np.uint8))


def test_scrfd_is_insightfaces_on_the_view(tmp_path: Path, astronaut: Image8) -> None:
    """What insightface itself gives for the same file and the same view, by its own loader."""
    from insightface.model_zoo.scrfd import SCRFD

    path = light_scrfd(tmp_path / "det_10g.onnx")
    theirs = SCRFD(str(path))
    theirs.prepare(0, det_thresh=0.5, input_size=(640, 640))
    view = make_view(astronaut, 640)
    boxes, points = theirs.detect(np.ascontiguousarray(view.picture[:, :, ::-1]), input_size=(640, 640))
    assert len(boxes) > 1
    faces = [Face((b[0], b[1], b[2] - b[0], b[3] - b[1]), p) for b, p in zip(boxes, points, strict=True)]
    expected = view.to_picture(main_face(faces, 640).points)
    assert np.allclose(ScrfdDetector(path).five_points(astronaut), expected, rtol=0, atol=1e-4)


def test_files_that_are_no_detector(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.onnx"
    rubbish.write_bytes(b"not a network")
    for make, path, message in (
        (ScrfdDetector, tmp_path / "none.onnx", "none.onnx: no such file; it should be insightface's det_10g.onnx"),
        (YunetDetector, tmp_path / "none.onnx", "none.onnx: no such file; it should be yunet_n_640_640.onnx"),
        (ScrfdDetector, rubbish, "rubbish.onnx: not an ONNX network"),
        (YunetDetector, rubbish, "rubbish.onnx: not a YuNet that OpenCV"),
        (ScrfdDetector, light_scrfd(tmp_path / "six.onnx", outputs=6), "six.onnx: not an SCRFD with five points"),
        (ScrfdDetector, light_scrfd(tmp_path / "small.onnx", side=320), r"takes pictures of \[320, 320\] px only"),
        (YunetDetector, light_scrfd(tmp_path / "other.onnx", side=320), "other.onnx: not a YuNet that OpenCV"),
    ):
        with pytest.raises(WeightsError, match=message):
            make(path)


@pytest.fixture(scope="module")
def dlib_detector() -> DlibDetector:
    pytest.importorskip("dlib")
    if importlib.util.find_spec("face_recognition_models") is None:
        pytest.skip("needs the extra `dlib`")
    return DlibDetector()


def test_dlib_finds_the_astronaut(dlib_detector: DlibDetector, astronaut: Image8) -> None:
    five = dlib_detector.five_points(astronaut)
    eyes = np.linalg.norm(ASTRONAUT[1] - ASTRONAUT[0])
    assert np.linalg.norm(five - ASTRONAUT, axis=1).max() < 0.15 * eyes
    points = dlib_detector.largest_68(astronaut)
    assert points.shape == (68, 2)
    assert np.allclose(five_points(points), five, rtol=0, atol=1e-9)
    larger = dlib_detector.five_points(resize(astronaut, (384, 384)))
    assert np.abs((larger + 0.5) / 2 - 0.5 - five).max() < 0.05 * eyes


def test_dlib_on_pictures_without_a_face(dlib_detector: DlibDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    for image in (np.zeros((128, 128, 3), np.uint8), noise):
        with pytest.raises(DetectionError, match="dlib-hog found no face"):
            dlib_detector.five_points(image)


def helen_crops(shared: Path, step: int) -> list[tuple[Image8, Points]]:
    """Every `step`th test face as helen-x8 crops it, with its five points."""
    from facesr_bench.data.prepare import prepare
    from facesr_bench.plugins import registry
    from facesr_bench.plugins.dataset import Picture
    from facesr_bench.plugins.degradation import find_degradation, make_degradation

    protocol = registry.datasets().get("helen").require_card().protocols["helen-x8"]
    how = make_degradation(find_degradation("bicubic-pillow"), protocol.scale)
    crops = []
    for file in sorted((shared / "faces/helen_test").glob("*.jpg"))[::step]:
        points = np.loadtxt(file.with_suffix(".pts"), skiprows=3, max_rows=68) - 1
        sample = prepare(file.stem, Picture(hr=read_image(file), landmarks=points), protocol, how)
        assert sample.hr is not None and sample.landmarks is not None
        crops.append((sample.hr, five_points(sample.landmarks)))
    return crops


def distances(detector: FaceDetector, faces: list[tuple[Image8, Points]]) -> list[float]:
    """Per face found: the mean distance from the truth, over the distance of the eyes."""
    found = []
    for image, truth in faces:
        try:
            points = detector.five_points(image)
        except DetectionError:
            continue
        eyes = np.linalg.norm(truth[1] - truth[0])
        found.append(float(np.linalg.norm(points - truth, axis=1).mean() / eyes))
    return found


def test_small_crops_of_real_faces(shared: Path) -> None:
    """128 px, filled by the face; sharp, and 16 px upsampled."""
    detectors: dict[str, FaceDetector] = {"yunet": YunetDetector(shared / "weights/yunet_n_640_640.onnx")}
    limits = {"yunet": (0.12, 0.2), "dlib": (0.05, 0.12)}
    if importlib.util.find_spec("dlib") and importlib.util.find_spec("face_recognition_models"):
        detectors["dlib"] = DlibDetector()
    sharp = helen_crops(shared, 10)
    blurred = [(resize(resize(image, (16, 16)), (128, 128)), truth) for image, truth in sharp]
    assert len(sharp) == 33
    for name, detector in detectors.items():
        clear, dim = distances(detector, sharp), distances(detector, blurred)
        assert len(clear) >= 32, name
        assert len(dim) >= 25, name
        assert np.median(clear) < limits[name][0], name
        assert np.median(clear) < np.median(dim) < limits[name][1], name
        assert detector.five_points(sharp[0][0]).tobytes() == detector.five_points(sharp[0][0]).tobytes()


def test_yunet_on_pictures_without_a_face(shared: Path) -> None:
    detector = YunetDetector(shared / "weights/yunet_n_640_640.onnx")
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    for image in (np.zeros((128, 128, 3), np.uint8), noise):
        with pytest.raises(DetectionError, match="yunet found no face"):
            detector.five_points(image)


def test_the_catalogue_knows_the_detectors(shared: Path) -> None:
    from facesr_bench.base.hashing import hash_file
    from facesr_bench.weights.catalogue import find

    path = shared / "weights/yunet_n_640_640.onnx"
    assert find("yunet_n_640_640.onnx").name == "yunet"
    assert (find("yunet").sha256, find("yunet").size) == (hash_file(path), path.stat().st_size)
    assert find("scrfd").file == "det_10g.onnx"
