"""VQFR's identity network, on random weights under the published names, against plain functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.faces.embedder import cosine, degrees
from facesr_bench.images.files import Image8

torch = pytest.importorskip("torch")
functional = torch.nn.functional

Weights = dict[str, Any]


def batch_norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Every tensor of resnet18_110.pth, written down from the published architecture; without batch norm's counters."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 1, 3, 3), "prelu.weight": (1,), **batch_norm("bn1", 64)}
    before = 64
    for number, after in ((1, 64), (2, 128), (3, 256), (4, 512)):
        for block in (0, 1):
            name = f"layer{number}.{block}"
            shapes |= batch_norm(f"{name}.bn0", before) | batch_norm(f"{name}.bn1", before)
            shapes |= batch_norm(f"{name}.bn2", after) | {f"{name}.prelu.weight": (1,)}
            shapes |= {f"{name}.conv1.weight": (before, before, 3, 3), f"{name}.conv2.weight": (after, before, 3, 3)}
            if number > 1 and block == 0:
                shapes |= {f"{name}.downsample.0.weight": (after, before, 1, 1)}
                shapes |= batch_norm(f"{name}.downsample.1", after)
            before = after
    shapes |= batch_norm("bn4", 512) | batch_norm("bn5", 512)
    return shapes | {"fc5.weight": (512, 512 * 8 * 8), "fc5.bias": (512,)}


@pytest.fixture(scope="module")
def weights() -> Weights:
    made = {}
    generator = torch.Generator().manual_seed(3)
    for name, shape in published_shapes().items():
        drawn = torch.randn(shape, generator=generator)
        if name.endswith("running_var"):
            drawn = drawn.abs() + 0.5
        elif name.endswith("prelu.weight"):
            drawn = 0.25 + drawn.abs() / 10
        elif len(shape) > 1:
            drawn = drawn / np.sqrt(np.prod(shape[1:]))
        elif name.endswith("weight"):
            drawn = 1 + drawn / 10
        made[name] = drawn
    return made


def save(weights: Weights, path: Path, prefix: str = "module.") -> Path:
    torch.save({prefix + name: tensor for name, tensor in weights.items()}, path)
    return path


@pytest.fixture(scope="module")
def checkpoint(weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As VQFR's is saved: under DataParallel's prefix, without counters of batches."""
    return save(weights, tmp_path_factory.mktemp("vqfr") / "resnet18_110.pth")


def by_hand(w: Weights, x: Any) -> Any:
    """The same network in plain functions, in float64."""

    def norm(x: Any, name: str) -> Any:
        shape = (1, -1, *[1] * (x.ndim - 2))
        mean, variance, weight, bias = (
            w[f"{name}.{part}"].double().reshape(shape) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    def prelu(x: Any, name: str) -> Any:
        return torch.where(x > 0, x, x * w[f"{name}.weight"].double())

    def conv(x: Any, name: str, stride: int = 1) -> Any:
        kernel = w[f"{name}.weight"].double()
        return functional.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)

    x = prelu(norm(conv(x.double(), "conv1"), "bn1"), "prelu")
    x = x.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(-1, -2))
    for number in (1, 2, 3, 4):
        for block in (0, 1):
            name, stride = f"layer{number}.{block}", 2 if number > 1 and block == 0 else 1
            y = prelu(norm(conv(norm(x, f"{name}.bn0"), f"{name}.conv1"), f"{name}.bn1"), f"{name}.prelu")
            y = norm(conv(y, f"{name}.conv2", stride), f"{name}.bn2")
            if stride == 2:
                x = norm(conv(x, f"{name}.downsample.0", 2), f"{name}.downsample.1")
            x = prelu(x + y, f"{name}.prelu")
    x = norm(x, "bn4").reshape(len(x), -1)
    return norm(x @ w["fc5.weight"].double().T + w["fc5.bias"].double(), "bn5")


def test_equal_to_plain_functions(checkpoint: Path, weights: Weights, astronaut: Image8) -> None:
    from facesr_bench.faces.vqfr_network import VqfrEmbedder

    gray = cv2.resize(np.asarray(cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)), (128, 128))
    inputs = (torch.from_numpy(np.asarray(gray, np.float64)) - 127.5) / 127.5
    expected = by_hand(weights, inputs[None, None])[0].numpy()
    found = VqfrEmbedder(checkpoint).embed(astronaut)
    assert found.shape == (512,)
    assert found.dtype == np.float64
    assert np.std(expected) > 0.1
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_a_change_to_the_face_changes_the_embedding(checkpoint: Path, astronaut: Image8) -> None:
    from facesr_bench.faces.vqfr_network import VqfrEmbedder

    embedder = VqfrEmbedder(checkpoint)
    once = embedder.embed(astronaut)
    assert np.array_equal(once, embedder.embed(astronaut))
    mirrored = embedder.embed(np.ascontiguousarray(astronaut[:, ::-1]))
    assert degrees(cosine(once, mirrored)) > 1


def test_every_way_that_it_is_saved(checkpoint: Path, weights: Weights, astronaut: Image8, tmp_path: Path) -> None:
    from facesr_bench.faces.vqfr_network import VqfrEmbedder, VqfrNetwork

    expected = VqfrEmbedder(checkpoint).embed(astronaut)
    bare = save(weights, tmp_path / "arcface_resnet18.pth", prefix="")
    counted = VqfrNetwork()
    counted.load_state_dict(weights, strict=False)
    whole = save(counted.state_dict(), tmp_path / "counted.pth")
    for path in (bare, whole):
        assert np.array_equal(VqfrEmbedder(path).embed(astronaut), expected)


def test_the_parameters_are_those_published() -> None:
    from facesr_bench.faces.vqfr_network import VqfrNetwork

    ours = {n: tuple(t.shape) for n, t in VqfrNetwork().state_dict().items() if not n.endswith("num_batches_tracked")}
    assert ours == published_shapes()


def test_files_that_are_not_the_network(weights: Weights, tmp_path: Path) -> None:
    from facesr_bench.faces.vqfr_network import VqfrEmbedder

    with pytest.raises(WeightsError, match=r"none.pth: no such file; it should be resnet18_110.pth"):
        VqfrEmbedder(tmp_path / "none.pth")
    without = {name: tensor for name, tensor in weights.items() if name != "layer3.1.prelu.weight"}
    with pytest.raises(WeightsError, match=r"resnet_face18 without SE.*\n.*missing, the first: layer3.1.prelu.weight"):
        VqfrEmbedder(save(without, tmp_path / "less.pth"))
    with_se = {**weights, "layer1.0.se.fc.0.weight": torch.zeros(4, 64)}
    with pytest.raises(WeightsError, match=r"unexpected, the first: layer1.0.se.fc.0.weight"):
        VqfrEmbedder(save(with_se, tmp_path / "more.pth"))
    torch.save({"conv1.weight": torch.nn.Conv2d}, tmp_path / "code.pth")
    with pytest.raises(WeightsError, match=r"code.pth"):
        VqfrEmbedder(tmp_path / "code.pth")


def test_no_picture_and_no_direction(checkpoint: Path, weights: Weights, astronaut: Image8, tmp_path: Path) -> None:
    from facesr_bench.faces.vqfr_network import VqfrEmbedder

    gray: NDArray[Any] = astronaut[..., 0]
    with pytest.raises(MetricError):
        VqfrEmbedder(checkpoint).embed(gray)
    flat = {name: tensor * 0 if name.startswith("bn5") else tensor for name, tensor in weights.items()}
    with pytest.raises(MetricError, match="length 0"):
        VqfrEmbedder(save(flat, tmp_path / "flat.pth")).embed(astronaut)
