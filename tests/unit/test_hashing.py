"""What names a checkpoint covers all that is read of it, and is read again before a number is computed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from facesr_bench.base.errors import WeightsError
from facesr_bench.base.hashing import check_unchanged, digest, file_sha256, hash_file
from facesr_bench.base.onnx_files import external_files

onnx = pytest.importorskip("onnx")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))


def network(path: Path, *, place: str | None = "weights.bin", nested: bool = False) -> Path:
    """An ONNX file that adds a tensor, kept in `place` beside it; with `nested`, inside a branch of an If."""
    from onnx import TensorProto, helper, numpy_helper

    tensor = numpy_helper.from_array(np.arange(512, dtype=np.float32), "w")
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [512])
    inner = [helper.make_node("Identity", ["w"], ["y"])]
    if nested:
        branch = helper.make_graph(inner, "branch", [], [out], [tensor])
        yes = numpy_helper.from_array(np.array(True), "yes")
        node = helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)
        graph = helper.make_graph([node], "g", [], [out], [yes])
    else:
        graph = helper.make_graph(inner, "g", [], [out], [tensor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    if place is not None:
        from onnx.external_data_helper import convert_model_to_external_data

        convert_model_to_external_data(model, location=place, size_threshold=0, convert_attribute=True)
    onnx.save_model(model, path)
    return path


@pytest.mark.parametrize("nested", [False, True])
def test_the_hash_of_an_onnx_file_covers_its_external_data(tmp_path: Path, nested: bool) -> None:
    path = network(tmp_path / "net.onnx", nested=nested)
    assert external_files(path) == [tmp_path / "weights.bin"]
    before = hash_file(path)
    data = (tmp_path / "weights.bin").read_bytes()
    (tmp_path / "weights.bin").write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    assert hash_file(path) != before
    (tmp_path / "weights.bin").write_bytes(data)
    assert hash_file(path) == before


def test_the_hash_of_an_onnx_file_without_external_data_is_that_of_the_file(tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx", place=None)
    assert external_files(path) == [] and hash_file(path) == file_sha256(path) == digest(path)


def test_external_data_that_changes_is_noticed_without_being_asked_for_a_fresh_hash(tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx")
    before = digest(path)
    (tmp_path / "weights.bin").write_bytes(b"\1" * 2048)
    os.utime(tmp_path / "weights.bin", ns=(1, 1))
    assert digest(path) != before


def test_external_data_that_is_missing_or_elsewhere_is_refused(tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx")
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(WeightsError, match=r"keeps its weights in weights\.bin, which is not there"):
        digest(path)
    (tmp_path / "inner").mkdir()
    (tmp_path / "secret").write_bytes(b"\0" * 4096)
    path = tmp_path / "inner" / "net.onnx"
    path.write_bytes(network(tmp_path / "net.onnx").read_bytes().replace(b"weights.bin", b"../secretbb"))
    with pytest.raises(WeightsError, match="another file that can't be used"):
        digest(path)


@pytest.mark.parametrize("content", [b"", b"no network", b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x0b" * 40])
def test_what_is_no_onnx_file_has_the_hash_of_a_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    assert hash_file(path) == file_sha256(path)


def test_a_checkpoint_that_changed_behind_its_date_is_refused_once_and_then_known(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(b"a" * 1000)
    stamp = path.stat()
    known = digest(path)
    path.write_bytes(b"b" * 1000)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert digest(path) == known, "size and date alone can't tell"
    with pytest.raises(WeightsError, match="size and date are the same; nothing was computed"):
        check_unchanged(path, known)
    check_unchanged(path, digest(path))
    assert digest(path) == file_sha256(path)


@pytest.mark.parametrize("card", [None, 'colour = "bgr"\n'])
def test_a_network_of_a_metric_is_read_again_before_it_is_opened(tmp_path: Path, card: str | None) -> None:
    from facesr_bench.plugins.registry import metrics
    from facesr_bench.weights import check_metric_unchanged, resolve_metric

    path = tmp_path / "net.onnx"
    path.write_bytes(b"a" * 1000)
    if card is not None:
        (tmp_path / "net.onnx.toml").write_text(card)
    found = resolve_metric(metrics().get("identity").require_card(), "onnx", str(path))
    check_metric_unchanged(found)
    changing = path if card is None else tmp_path / "net.onnx.toml"
    stamp = changing.stat()
    changing.write_bytes(changing.read_bytes()[:-1] + b"!")
    os.utime(changing, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with pytest.raises(WeightsError, match="size and date are the same"):
        check_metric_unchanged(found)
    again = resolve_metric(metrics().get("identity").require_card(), "onnx", str(path))
    assert again.suffix != found.suffix, "and it has a column of its own"
    check_metric_unchanged(again)
