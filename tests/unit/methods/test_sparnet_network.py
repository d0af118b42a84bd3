"""The network is the authors': same state dict, same function. The oracle folder's README gives the weight rule."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facesr_bench.plugins import registry
from facesr_bench.plugins.method import MethodContext, make_method

VARIANTS = {
    "sparnet": "sparnet",
    "sparnet_light_3d": "sparnet-light-3d",
    "sparnethd": "sparnethd",
    "sparnethd_3d": "sparnethd-3d",
}
TOLERANCE = 1e-4


def network_of(method: str) -> Any:
    plugin = registry.methods().get(method)
    return make_method(plugin.load_class(), MethodContext(plugin.require_card(), scale=8)).network  # type: ignore[attr-defined]


def oracle_weights(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The rule by which the oracle's weights were made, from each key's name alone."""
    made: dict[str, torch.Tensor] = {}
    for key, tensor in state.items():
        if not tensor.is_floating_point():
            made[key] = torch.zeros_like(tensor)
            continue
        w = np.random.RandomState(zlib.crc32(key.encode()) % 2**32).standard_normal(tensor.numel())
        if "running_var" in key:
            w = 1 + 0.25 * np.tanh(w)
        elif "running_mean" in key:
            w = 0.1 * w
        elif tensor.ndim == 4:
            w = w * np.sqrt(1 / np.prod(tensor.shape[1:]))
        elif ".norm." in key and key.endswith("weight"):
            w = 1 + 0.2 * w
        else:
            w = 0.1 * w
        made[key] = torch.from_numpy(w.astype(np.float32)).reshape(tensor.shape)
    for key in [k for k in made if k.endswith("weight_orig")]:
        matrix = made[key].flatten(1).double()
        # The leading left singular vector, quicker than by an SVD.
        u = torch.linalg.eigh(matrix @ matrix.T).eigenvectors[:, -1]
        v = matrix.T @ u
        stem = key.removesuffix("_orig")
        made[f"{stem}_u"], made[f"{stem}_v"] = u.float(), (v / v.norm()).float()
    return made


def oracle_input(side: int) -> torch.Tensor:
    c, y, x = np.meshgrid(np.arange(3), np.arange(side), np.arange(side), indexing="ij")
    return torch.from_numpy((0.8 * np.sin(0.05 * x + 0.3 * c) * np.cos(0.07 * y - 0.2 * c)).astype(np.float32))[None]


@pytest.fixture(scope="module")
def oracle(shared: Path) -> Path:
    return shared / "oracle"


@pytest.mark.parametrize("variant", VARIANTS)
def test_state_dict_is_the_authors(variant: str, oracle: Path) -> None:
    expected = json.loads((oracle / "state_dicts.json").read_text())[variant]
    network = network_of(VARIANTS[variant])
    assert {k: list(t.shape) for k, t in network.state_dict().items()} == expected["state_dict"]
    count = sum(p.numel() for p in network.parameters())
    assert count == expected["parameters"]
    assert registry.methods().get(VARIANTS[variant]).require_card().parameters == count


@pytest.mark.parametrize("variant", VARIANTS)
def test_function_is_the_authors(variant: str, oracle: Path) -> None:
    expected = np.load(oracle / f"{variant}.npz")
    network = network_of(VARIANTS[variant]).eval()
    network.load_state_dict(oracle_weights(network.state_dict()))
    x = oracle_input(expected["output"].shape[-1])
    with torch.inference_mode():
        output, masks = network.forward_with_attention(x)
        folded = network.for_inference()(x)
    scale = np.abs(expected["output"]).max()
    assert np.abs(output[0].numpy() - expected["output"]).max() <= TOLERANCE * scale
    assert np.abs(folded[0].numpy() - expected["output"]).max() <= TOLERANCE * scale
    assert np.abs(masks[0][0].mean(0).numpy() - expected["first_attention"]).max() <= TOLERANCE
    assert len(masks) == len(expected["attention_means"])
    for mask, mean, std in zip(masks, expected["attention_means"], expected["attention_stds"], strict=True):
        assert abs(float(mask.mean()) - mean) <= TOLERANCE
        assert abs(float(mask.mean(1).std(correction=0)) - std) <= TOLERANCE


@pytest.mark.parametrize("method", ["sparnet", "sparnet-light-3d"])
def test_folding_keeps_the_function(method: str) -> None:
    """Without the oracle too: on random weights with random running statistics, to float32 accuracy."""
    torch.manual_seed(0)
    network = network_of(method).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    x = torch.rand(1, 3, 128, 128) * 2 - 1
    with torch.inference_mode():
        plain, folded = network(x), network.for_inference()(x)
    assert float((plain - folded).abs().max()) <= 1e-5 * float(plain.abs().max())


def test_wrong_configurations_are_refused() -> None:
    plugin = registry.methods().get("sparnet")
    card = plugin.require_card()
    for options, message in (
        ({"norm_type": "gn"}, "norm_type"),
        ({"att_name": "2d"}, "att_name"),
        ({"in_size": 100}, "in_size"),
    ):
        with pytest.raises(ValueError, match=message):
            changed = card.model_copy(update={"options": options})
            make_method(plugin.load_class(), MethodContext(changed, scale=8))
