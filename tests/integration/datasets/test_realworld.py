"""Low-quality pictures of the real world, without ground truth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.data import protocols
from facesr_bench.evaluation.scorer import Scorer
from facesr_bench.faces.adaface import AdaFaceEmbedder, AdaFaceNetwork
from facesr_bench.images.files import write_png
from facesr_bench.images.resize import resize
from facesr_bench.weights import write_random
from tests.integration.datasets.reading import content_hash, problem, samples
from tests.metric_tools import load_metric

HEADER = (
    "filename,dataset,x1,y1,x2,y2,left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y,mouth_left_x,mouth_left_y,"
    "mouth_right_x,mouth_right_y"
)
BOX = "CelebA,100.5,120,350,460"
FIVE = [[203.83304, 257.6277], [307.48898, 258.2798], [270.82068, 320.90533], [210.34648, 380.26514], [295.8, 384.6]]
ROW = ",".join(str(number) for point in FIVE for number in point)


def test_low_quality_only(tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    face = resize(astronaut, (512, 512))
    write_png(tmp_path / "a.png", face)
    for name in protocols.protocol_names():
        plugin, protocol = protocols.find_protocol(name)
        if plugin.name == "realworld":
            (sample,) = samples(name, tmp_path)
            assert (sample.id, sample.hr, protocol.aligned) == ("a", None, "ffhq")
            assert not {"psnr", "ssim", "lpips"} & set(protocol.metrics), "nothing that needs a reference"
            np.testing.assert_array_equal(sample.lr, face)


def test_wrong_size(tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    write_png(tmp_path / "a.png", astronaut)
    assert problem("realworld-lq", tmp_path) == "LR is 192x192; protocol realworld-lq wants 512x512"


def test_real_ones(shared: Path) -> None:
    found = samples("realworld-lq", shared / "faces" / "realworld_lq")
    assert len(found) == 24
    assert all(sample.lr.shape == (512, 512, 3) and sample.hr is None for sample in found)


def write_faces(folder: Path, astronaut: NDArray[np.uint8], *names: str) -> NDArray[np.uint8]:
    folder.mkdir(exist_ok=True)
    face = resize(astronaut, (512, 512))
    for name in names:
        write_png(folder / f"{name}.png", face)
    return face


def test_ntires_table_of_points_is_read(tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    write_faces(tmp_path, astronaut, "0412", "caf\u00e9")
    (tmp_path / "notes.csv").write_bytes(b"name,remark\n0412,\xe9t\xe9\n")
    without = content_hash("realworld-ntire-wider", tmp_path)
    assert [sample.landmarks for sample in samples("realworld-ntire-wider", tmp_path)] == [None, None]

    lines = [HEADER, f"0412,{BOX},{ROW}", f"cafe\u0301,{BOX},{ROW.replace('203', '204')}", f"elsewhere,{BOX},{ROW}"]
    (tmp_path / "test_face.csv").write_text("\n".join(lines) + "\n")
    found = {sample.id: sample.landmarks for sample in samples("realworld-ntire-wider", tmp_path)}
    np.testing.assert_array_equal(found["0412"], FIVE)
    np.testing.assert_array_equal(found["caf\u00e9"], [[204.83304, 257.6277], *FIVE[1:]])
    assert content_hash("realworld-ntire-wider", tmp_path) != without, "other points are other data"


def test_what_a_table_of_points_lacks_is_said(tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    write_faces(tmp_path, astronaut, "a")
    table = tmp_path / "points.csv"
    for lines, expected in (
        ([f"b,{BOX},{ROW}"], f"{table} has no row for this filename; every picture"),
        (
            [f"a,{BOX},{ROW}", f"a,{BOX},{ROW.replace('203', '204')}"],
            f"{table} has 2 rows with different points for this filename; every",
        ),
        ([f"a,{BOX},{ROW.replace('203.83304', 'nan')}"], f"{table}, line 2: left_eye_x, left_eye_y"),
        ([f"a,{BOX},1,2,3"], f"{table}, line 2: left_eye_x, left_eye_y"),
        ([f",{BOX},{ROW}"], f"{table}, line 2: nothing stands in the column filename"),
        ([f"a,{BOX},{ROW}", f"b,{BOX},{ROW}{'0' * 200_000}"], f"{table}, line 3: not a csv"),
    ):
        table.write_text("\n".join([HEADER, *lines]))
        assert problem("realworld-lq", tmp_path).startswith(expected)
    table.write_text(f"{HEADER.removeprefix('filename,')},filename\n{BOX},{ROW}\n")
    assert problem("realworld-lq", tmp_path) == f"{table}, line 2: nothing stands in the column filename"
    table.write_text(f"{HEADER}\na,{BOX},{ROW}\na,{BOX},{ROW}\n")
    assert len(samples("realworld-lq", tmp_path)) == 1, "said twice is said"
    (tmp_path / "again.csv").write_text(f"{HEADER}\na,{BOX},{ROW}\n")
    assert problem("realworld-lq", tmp_path).endswith("stand in again.csv and in points.csv: keep one")
    (tmp_path / "again.csv").write_text(HEADER.replace("filename", "name"))
    table.unlink()
    assert problem("realworld-lq", tmp_path).endswith("none called filename")


def test_adaface_aligns_both_by_the_tables_points(tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    lq = write_faces(tmp_path / "faces", astronaut, "a")
    (tmp_path / "faces" / "test_face.csv").write_text(f"{HEADER}\na,{BOX},{ROW}\n")
    (sample,) = samples("realworld-ntire-celeba", tmp_path / "faces")
    weights = write_random(AdaFaceNetwork(), tmp_path / "adaface.pth")
    metric = load_metric(f"identity-adaface@ir50-ms1mv2={weights}", "basicsr-rgb", 1)
    metric.load()
    scorer = Scorer([metric])
    sr = resize(resize(lq, (40, 40)), (512, 512))
    scored = scorer.score(sr, scorer.prepare(sample))
    assert scored.alignments == {metric.key: "landmarks"}
    network = AdaFaceEmbedder(weights)
    first, second = (network.embed(as_ntire_aligns(face, FIVE)[None])[0].astype(np.float64) for face in (lq, sr))
    assert scored.metrics[metric.key] == pytest.approx(float(first @ second), abs=2e-4)


def as_ntire_aligns(face: NDArray[np.uint8], points: list[list[float]]) -> NDArray[np.uint8]:
    """112x96's reference points, 8 px further right; least squares over rotation, scale and shift, written out."""
    reference = [[30.29459953, 51.69630051], [65.53179932, 51.50139999], [48.02519989, 71.73660278]]
    reference += [[33.54930115, 92.3655014], [62.72990036, 92.20410156]]
    target = np.add(reference, [8, 0])
    rows = [([x, y, 1, 0], [y, -x, 0, 1]) for x, y in points]
    a, b, c, d = np.linalg.lstsq(np.array([row for pair in rows for row in pair]), target.ravel(), rcond=None)[0]
    return np.asarray(cv2.warpAffine(face, np.array([[a, b, c], [-b, a, d]]), (112, 112)), np.uint8)
