"""A user's own ONNX networks: what the file says, what FILE.toml says, and what is wrong with either."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facesr_bench.base.errors import CardError, MetricError, WeightsError
from facesr_bench.faces.embedder import EMBEDDERS, Embedder
from facesr_bench.faces.landmarks import LANDMARK_NETWORKS, OnnxLandmarks
from tests.unit.faces.conftest import MakeNetwork


def say(network: Path, text: str) -> Path:
    """Write FILE.toml beside the network, which is returned."""
    network.with_name(f"{network.name}.toml").write_text(text, encoding="utf-8")
    return network


def test_without_a_word_it_is_as_insightfaces(make_network: MakeNetwork) -> None:
    path = make_network("mine.onnx")
    spec = EMBEDDERS.for_file("onnx", path)
    known = EMBEDDERS.get("w600k-r50")
    for field in ("alignment", "height", "width", "colour", "divide_by", "mean", "std", "batch_of_one", "output"):
        assert getattr(spec, field) == getattr(known, field), field
    assert (spec.name, spec.file) == ("onnx", "mine.onnx")
    faces = np.random.default_rng(2).integers(0, 256, (3, 112, 112, 3), np.uint8)
    assert np.array_equal(Embedder(spec, path).embed(faces), Embedder(known, path).embed(faces))


def test_a_preset_is_the_preset(tmp_path: Path) -> None:
    assert EMBEDDERS.for_file("w600k-r50", tmp_path / "any.onnx") is EMBEDDERS.get("w600k-r50")
    assert LANDMARK_NETWORKS.for_file("pfld-68", tmp_path / "any.onnx") is LANDMARK_NETWORKS.get("pfld-68")
    with pytest.raises(MetricError, match="did you mean 'onnx'"):
        EMBEDDERS.for_file("onxn", tmp_path / "any.onnx")
    with pytest.raises(MetricError, match="did you mean 'onnx'"):
        LANDMARK_NETWORKS.for_file("onxn", tmp_path / "any.onnx")


def test_the_file_says_its_size_and_batch(make_network: MakeNetwork) -> None:
    network = make_network("slim.onnx", size=(112, 96), batch=1)
    spec = EMBEDDERS.for_file("onnx", say(network, 'alignment = "arcface-112x96"'))
    assert (spec.height, spec.width, spec.batch_of_one) == (112, 96, True)
    faces = np.random.default_rng(2).integers(0, 256, (3, 112, 96, 3), np.uint8)
    assert Embedder(spec, network).embed(faces).shape == (3, 16)


def test_what_the_toml_says_is_done(make_network: MakeNetwork) -> None:
    path = make_network("mine.onnx", extra_output=True)
    say(path, 'colour = "bgr"\ndivide_by = 255\nmean = [0.4, 0.5, 0.6]\nstd = [0.1, 0.2, 0.3]\noutput = "result"\n')
    spec = EMBEDDERS.for_file("onnx", path)
    face = np.random.default_rng(2).integers(0, 256, (1, 112, 112, 3), np.uint8)
    blue, green, red = (face[0, :, :, channel] / 255 for channel in (2, 1, 0))
    expected = np.stack([(blue - 0.4) / 0.1, (green - 0.5) / 0.2, (red - 0.6) / 0.3])
    assert np.allclose(spec.prepare(face)[0], expected, rtol=0, atol=1e-5)
    assert Embedder(spec, path).embed(face).shape == (1, 16)


def test_landmarks(make_network: MakeNetwork) -> None:
    fractions = np.random.default_rng(4).uniform(0, 1, (68, 2))
    path = make_network("points.onnx", size=(64, 64), outputs=136, constant=fractions.ravel())
    spec = LANDMARK_NETWORKS.for_file("onnx", path)
    assert (spec.height, spec.width, spec.unit, spec.enlarge, spec.shift_up) == (64, 64, "square", 1.1, 0)
    picture = np.zeros((300, 400, 3), np.uint8)
    found = OnnxLandmarks(spec, path).detect(picture, (50, 40, 250, 240))
    assert np.allclose(found, fractions * 200 + (50, 40) - 0.5, rtol=0, atol=1e-4)
    changed = LANDMARK_NETWORKS.for_file("onnx", say(path, 'unit = "pixel"\nenlarge = 1.5\nshift_up = 0.1\n'))
    assert (changed.unit, changed.enlarge, changed.shift_up) == ("pixel", 1.5, 0.1)
    assert changed.model_dump(exclude={"unit", "enlarge", "shift_up"}) == spec.model_dump(
        exclude={"unit", "enlarge", "shift_up"}
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('color = "bgr"', r"mine.onnx.toml: 1 problem.*\n  color: unknown field"),
        ('name = "mine"', r"mine.onnx.toml: name: not a field here"),
        ('colour = "hsv"', r"mine.onnx.toml.*\n  colour: .*'hsv'"),
        ('colour = "gray"', r"mine.onnx.toml.*\n.*mean needs 1 number"),
        ("std = [0, 1, 1]", r"std must be greater than 0"),
        ("height = 96", r"alignment arcface-112 makes faces of 112x112 .* and the input is 96x112"),
        ("mean = [1,", r"mine.onnx.toml: not valid TOML"),
    ],
)
def test_a_toml_that_is_wrong(make_network: MakeNetwork, text: str, message: str) -> None:
    with pytest.raises(CardError, match=message):
        EMBEDDERS.for_file("onnx", say(make_network("mine.onnx"), text))


def test_a_size_that_the_alignment_does_not_make(make_network: MakeNetwork) -> None:
    """Nothing is said of the alignment: the error names the file where it can be."""
    with pytest.raises(CardError, match=r"slim.onnx.toml: .*\n.*and the input is 112x96"):
        EMBEDDERS.for_file("onnx", make_network("slim.onnx", size=(112, 96)))


def test_the_toml_can_not_change_the_file(make_network: MakeNetwork) -> None:
    path = say(make_network("mine.onnx"), 'height = 128\nwidth = 128\nalignment = "none"')
    with pytest.raises(WeightsError, match=r"its input is data .*expected \[N, 3, 128, 128\]"):
        Embedder(EMBEDDERS.for_file("onnx", path), path)


def test_files_that_are_no_network(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.onnx"
    rubbish.write_bytes(b"not a network")
    for look in (EMBEDDERS.for_file, LANDMARK_NETWORKS.for_file):
        with pytest.raises(WeightsError, match=r"none\.onnx: no such file"):
            look("onnx", tmp_path / "none.onnx")
        with pytest.raises(WeightsError, match=r"rubbish\.onnx: not an ONNX network"):
            look("onnx", rubbish)


def test_a_network_of_another_kind(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    flat = helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["N", 8])
    result = helper.make_tensor_value_info("result", TensorProto.FLOAT, ["N", 8])
    graph = helper.make_graph([helper.make_node("Relu", ["flat"], ["result"])], "flat", [flat], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(tmp_path / "flat.onnx"))
    with pytest.raises(WeightsError, match=r"its input is flat .*expected \[N, channels, height, width\]"):
        EMBEDDERS.for_file("onnx", tmp_path / "flat.onnx")
