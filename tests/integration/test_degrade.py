"""`degrade`: low-quality sets with a record, equal bit for bit to the LR pictures of the protocol of that name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesr_bench.cli import main
from facesr_bench.data import degrade as degrading
from facesr_bench.data.protocols import protocol_names
from facesr_bench.data.sources import open_dataset
from facesr_bench.evaluation.inputs import open_source
from facesr_bench.images.files import Image8, pixel_sha256, read_image, write_png
from facesr_bench.plugins import registry
from tests.unit.test_degradation import BLIND, stranger


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two faces of 512 px and larger."""
    folder = tmp_path_factory.mktemp("sharp")
    dataset, protocol = open_dataset("demo-x8", {})
    items = dataset.items(protocol)
    for item, side in zip(items[1:3], (512, 600), strict=True):
        hr = dataset.read(item, protocol).hr
        assert hr is not None
        left, top, width = item.meta["box"]
        face = Image.fromarray(hr[top : top + width, left : left + width]).resize((side, side))
        write_png(folder / f"{item.id} ü.png", np.asarray(face))
    return folder


def made(out: str) -> dict[str, dict[str, object]]:
    return {image["id"]: image for image in json.loads(Path(out, "manifest.json").read_text())["images"]}


@pytest.mark.parametrize("name", ["sparnethd", "gfpgan", "hifacegan"])
def test_files_are_those_of_the_protocol(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["degrade", str(faces), "--degradation", name, "--out", "lq"]) == 0
    assert capsys.readouterr().err == f"2 pictures as of hq512-{name} in lq\n"
    dataset, protocol = open_dataset(f"hq512-{name}", {"hq512": faces})
    del dataset
    source = open_source(protocol, {"hq512": faces}, registry.datasets())
    found = made("lq")
    assert found.keys() == source.items.keys()
    for image_id in source.items:
        sample, image = source.read(image_id), found[image_id]
        file = Path("lq", str(image["file"]))
        np.testing.assert_array_equal(read_image(file), sample.lr)
        assert image["degradation"] == sample.degradation
        assert image["sha256"] == pixel_sha256(sample.lr) == source.record(sample).lr_sha256
        assert sample.hr is not None and sample.hr.shape == (512, 512, 3)
        assert image["hr_sha256"] == pixel_sha256(sample.hr)
    record = json.loads(Path("lq/manifest.json").read_text())
    assert record["drawn_from"] == f"hq512-{name}" and record["degradation"]["name"] == name
    assert record["made_by"].startswith("Pillow ") and record["failed"] == {}
    # Again into the same folder: the same pixels.
    before = {image_id: image["sha256"] for image_id, image in found.items()}
    assert main(["degrade", str(faces), "--degradation", name, "--out", "lq"]) == 0
    assert {image_id: image["sha256"] for image_id, image in made("lq").items()} == before


def test_every_blind_degradation_has_its_protocol() -> None:
    assert {f"hq512-{name}" for name in BLIND} <= set(protocol_names())


def test_what_can_not_be_degraded_is_counted(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pictures = tmp_path / "some"
    pictures.mkdir()
    for path in faces.iterdir():
        (pictures / path.name).write_bytes(path.read_bytes())
    write_png(pictures / "small.png", np.zeros((64, 64, 3), np.uint8))
    (pictures / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert main(["degrade", "some", "--degradation", "vqfr", "--out", "lq"]) == 1
    err = capsys.readouterr().err
    assert "small: its face is 64x64 px, smaller than the 512x512" in err and "failed torn" in err
    assert set(json.loads(Path("lq/manifest.json").read_text())["failed"]) == {"small", "torn"}
    assert main(["degrade", "some", "--degradation", "vqfr", "--out", "some"]) == 2
    assert "the pictures to work on are there" in capsys.readouterr().err
    Path("other").mkdir()
    Path("other/mine.txt").write_text("x")
    assert main(["degrade", "some", "--degradation", "vqfr", "--out", "other"]) == 2
    assert "holds files that `facesr-bench degrade` did not make" in capsys.readouterr().err
    Path("site/icons").mkdir(parents=True)
    Path("site/logo.png").write_bytes(b"mine")
    for others in ('{"name": "an app", "command": 1}', '{"command": "npm run", "complete": false}', "[]"):
        Path("site/manifest.json").write_text(others)
        assert main(["degrade", "some", "--degradation", "vqfr", "--out", "site"]) == 2
        assert Path("site/logo.png").read_bytes() == b"mine", "another's manifest makes no folder ours"
    capsys.readouterr()
    assert main(["degrade", "some", "--degradation", "bicubic-matlab", "--out", "same"]) == 2
    assert "at scale 1 it degrades nothing; `facesr-bench list degradations`" in capsys.readouterr().err
    assert not list(Path("same").glob("*.png"))
    for name in ("bfr-full", "BFR512"):
        assert main(["degrade", "some", "--degradation", name, "--out", "lq"]) == 2
        said = capsys.readouterr().err
        assert "neither its repository nor its" in said and "--protocols folder-pairs-x1" in said
    assert main(["run", "--methods", "input", "--protocols", "hq512-bfr-noise", "--data", "hq512=some"]) == 2
    assert "the five settings of the BFR benchmark" in capsys.readouterr().err
    assert main(["degrade", "some", "--degradation", "gfpgn", "--out", "lq"]) == 2
    assert "did you mean 'gfpgan'" in capsys.readouterr().err


def test_a_call_that_was_ended_half_way_may_be_made_again(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    real, written = write_png, list[Path]()

    def ended(path: Path, image: Image8) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(path)
        real(path, image)

    monkeypatch.setattr(degrading, "write_png", ended)
    with pytest.raises(KeyboardInterrupt):
        degrading.degrade(faces, "vqfr", tmp_path / "lq")
    (tmp_path / "lq" / "stale.png").write_bytes(b"of an earlier set")
    monkeypatch.setattr(degrading, "write_png", real)
    again = degrading.degrade(faces, "vqfr", tmp_path / "lq")
    assert sorted(path.name for path in Path("lq").glob("*.png")) == sorted(image["file"] for image in again.images)


def test_a_degradation_of_ones_own(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stranger(tmp_path / "dark", "return hr // 2, {'halved': True}")
    assert main(["degrade", str(faces), "--degradation", "./dark", "--out", "lq"]) == 0
    record = json.loads(Path("lq/manifest.json").read_text())
    assert record["drawn_from"] == "hq512-mine" and "degradation_code" in record["degradation"]
    assert all(image["degradation"] == {"halved": True} for image in record["images"])
    stranger(tmp_path / "odd", "return hr // 2, {'when': object()}")
    assert main(["degrade", str(faces), "--degradation", "./odd", "--out", "lq2"]) == 2
    assert "can't be written as JSON" in str(json.loads(Path("lq2/manifest.json").read_text())["failed"])
