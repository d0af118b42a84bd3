"""Checkpoints: safe to read, strict to load, errors that say what to do."""

from __future__ import annotations

import argparse
import gzip
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from facesr_bench import load_method, weights
from facesr_bench.base.errors import WeightsError
from facesr_bench.plugins import registry
from facesr_bench.plugins.cards import MethodCard
from facesr_bench.plugins.method import MethodContext
from tests.plain_networks import plain


@pytest.fixture(scope="module")
def light() -> Any:
    """A SPARNet-Light-3D network with random weights."""
    torch.manual_seed(0)
    plugin = registry.methods().get("sparnet-light-3d")
    return plugin.load_class()(MethodContext(plugin.require_card(), scale=8)).network.eval()


class Bomb:
    """A pickle that would run a command when loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def test_all_ways_of_saving_load(light: Any, tmp_path: Path) -> None:
    state = light.state_dict()
    files = {name: tmp_path / name for name in ("bare.pth", "nested.pth", "parallel.pth", "half.pth", "s.safetensors")}
    torch.save(state, files["bare.pth"])
    torch.save({"state_dict": state, "epoch": 3}, files["nested.pth"])
    torch.save({f"module.{k}": v for k, v in state.items()}, files["parallel.pth"])
    torch.save({k: v.half() if v.is_floating_point() else v for k, v in state.items()}, files["half.pth"])
    save_file(state, files["s.safetensors"])
    for name, path in files.items():
        assert load_method("sparnet-light-3d", weights=path).weights == path
        loaded = plain("sparnet-light-3d", path).state_dict()
        tolerance = 1e-3 if name == "half.pth" else 0
        for key, tensor in state.items():
            assert loaded[key].dtype == tensor.dtype
            torch.testing.assert_close(loaded[key], tensor, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"net_G": s, "net_D": {"a": torch.zeros(1)}},
        lambda s: {"generator": s, "step": 3},
        lambda s: {"state_dict_ema": {f"module.{k}": v for k, v in s.items()}},
        lambda s: {"params_ema": s},
        lambda s: {"model": {"state_dict": s}},
        lambda s: {f"_orig_mod.{k}": v for k, v in s.items()},
        lambda s: {f"module._orig_mod.{k}": v for k, v in s.items()},
        lambda s: {"state_dict": {**{f"netG.{k}": v for k, v in s.items()}, "netD.a": torch.zeros(1)}},
        lambda s: {f"generator.module.{k}": v for k, v in s.items()},
    ],
)
def test_what_trainers_put_around_a_state_dict_is_taken_off(light: Any, tmp_path: Path, wrap: Any) -> None:
    path = tmp_path / "wrapped.pth"
    state = light.state_dict()
    torch.save(wrap(state), path)
    loaded = plain("sparnet-light-3d", path).state_dict()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in state.items())


def test_a_prefix_that_a_network_has_itself_stays(tmp_path: Path) -> None:
    network = torch.nn.ModuleDict({"netG": torch.nn.Linear(2, 2)})
    path = tmp_path / "own.pth"
    torch.save(network.state_dict(), path)
    weights.load_strictly(network, path, "mine")


def test_keys_are_named_where_no_state_dict_is_found(tmp_path: Path) -> None:
    path = tmp_path / "odd.pth"
    torch.save({"my_gan": {"w": torch.zeros(1)}, "epoch": 3}, path)
    with pytest.raises(WeightsError, match=r"keys found: my_gan \(1 entries\), epoch \(int\)"):
        weights.read_state_dict(path)
    torch.save([torch.zeros(1)], path)
    with pytest.raises(WeightsError, match="found: list"):
        weights.read_state_dict(path)


@pytest.mark.parametrize(
    ("held", "named"),
    [(argparse.Namespace(lr=1e-4), r"argparse\.Namespace"), (np.float64(26.1), r"numpy\.\w+\.multiarray\.scalar")],
)
def test_what_a_pickle_is_refused_for_is_named(tmp_path: Path, held: Any, named: str) -> None:
    path = tmp_path / "more.pth"
    torch.save({"state_dict": {"w": torch.zeros(1)}, "args": held}, path)
    with pytest.raises(WeightsError, match=f"refused, because it holds .*{named}") as error:
        weights.read_state_dict(path)
    assert "weights_only" not in str(error.value) and "safe_globals" not in str(error.value)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><html>Quota exceeded</html>", "web page"),
        (b"\n  <html><head>", "web page"),
        (gzip.compress(b"x"), "gzip"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    ],
)
def test_what_came_in_a_checkpoints_place_is_recognised(tmp_path: Path, content: bytes, said: str, suffix: str) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=said):
        weights.read_state_dict(path)


def test_malicious_pickle_is_refused_and_does_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Bomb(marker), protocol=2))
    torch.save({"state_dict": Bomb(marker)}, tmp_path / "zip.pth")
    for path in (tmp_path / "plain.pth", tmp_path / "zip.pth"):
        with pytest.raises(WeightsError, match="refused"):
            load_method("sparnet-light-3d", weights=path)
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 torn"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_not_a_checkpoint(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=f"file{suffix}"):
        load_method("sparnet-light-3d", weights=path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_broke_off_is_said_in_our_words(light: Any, tmp_path: Path, suffix: str) -> None:
    path, state = tmp_path / f"torn{suffix}", light.state_dict()
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    whole = path.read_bytes()
    for kept, said in ((0, "the file is empty"), (len(whole) // 2, "its end is missing"), (len(whole) - 1, "damaged")):
        path.write_bytes(whole[:kept])
        with pytest.raises(WeightsError, match=said) as caught:
            weights.read_state_dict(path)
        for theirs in ("miniz", "PytorchStreamReader", "Error", "Errno"):
            assert theirs not in str(caught.value)


def test_weights_of_another_variant(light: Any, tmp_path: Path) -> None:
    path = tmp_path / "light.pth"
    torch.save(light.state_dict(), path)
    with pytest.raises(WeightsError, match="not weights of sparnet") as error:
        load_method("sparnet", weights=path)
    assert "missing, the first: res_layers.1" in str(error.value) and "of another shape" in str(error.value)


def test_nan_weights(light: Any, tmp_path: Path) -> None:
    state = {k: v.clone() for k, v in light.state_dict().items()}
    state["out_conv.conv2d.weight"][0, 0, 0, 0] = float("nan")
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(WeightsError, match=r"NaN or infinity.*out_conv"):
        load_method("sparnet-light-3d", weights=tmp_path / "nan.pth")


def test_missing_official_weights_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path))
    with pytest.raises(WeightsError) as error:
        load_method("sparnethd", weights="official")
    for part in ("SPARNetHD_V4_Attn2D_net_H-epoch10.pth", "https://", "CC BY-NC-SA 4.0", str(tmp_path), "sparnethd@/"):
        assert part in str(error.value)


def test_unknown_weights_suggest() -> None:
    with pytest.raises(WeightsError, match="did you mean 'official'"):
        load_method("sparnet", weights="offical")
    with pytest.raises(WeightsError, match="no such file"):
        load_method("sparnet", weights="/nowhere/x.pth")
    with pytest.raises(WeightsError, match="has no weights"):
        load_method("bicubic", weights="official")


def test_wrong_hash_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"other bytes")
    card = MethodCard.model_validate(
        {
            "schema_version": 1,
            "kind": "method",
            "name": "mine",
            "title": "",
            "summary": "",
            "input": "lr",
            "licence": "",
            "default_weights": "a",
            "weights": {"a": {"file": "w.pth", "sha256": "0" * 64, "licence": "", "training_data": ""}},
        }
    )
    plugin = registry.Plugin("method", "mine", tmp_path, "path", card)
    with pytest.raises(WeightsError, match=r"w\.pth.*expected 0000"):
        weights.resolve_method(plugin, None)


@pytest.mark.parametrize("file", ["/etc/passwd", "../../x.pth"])
def test_a_card_cannot_name_files_outside_its_folder(file: str) -> None:
    from pydantic import ValidationError

    from facesr_bench.plugins.cards import WeightsCard

    with pytest.raises(ValidationError, match="inside the plug-in's folder"):
        WeightsCard(file=file, licence="", training_data="")
