"""DISTS: against pyiqa and torchmetrics, which hold the authors' network, under the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.functional.dists import CHANNELS, Dists, write_random_file
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.weights import read_state_dict


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_file(tmp_path_factory.mktemp("dists") / "dists.pth")


@pytest.fixture(scope="module")
def ours(file: Path) -> Dists:
    return Dists(file)


def pairs(astronaut: Image8) -> list[tuple[Image8, Image8]]:
    """SR and HR: a blurred face, noise on one, another face, and sides that no pooling divides."""
    hr = np.ascontiguousarray(astronaut[:96, :96])
    noise = np.random.default_rng(3).normal(0, 25, hr.shape)
    noisy = np.clip(hr + noise, 0, 255).astype(np.uint8)
    odd = np.ascontiguousarray(hr[:61, :83])
    blurred = resize(resize(hr, (12, 12)), (96, 96))
    return [(blurred, hr), (noisy, hr), (np.ascontiguousarray(hr[:, ::-1]), hr), (np.roll(odd, 3, 1), odd)]


def tensor(image: Image8) -> Tensor:
    return torch.from_numpy(image.transpose(2, 0, 1) / np.float32(255))[None]


def filled(network: Any, file: Path) -> Any:
    """Another library's network with the file's tensors: its `stage2.5.weight` is `features.5.weight`."""
    tensors = read_state_dict(file)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            own = name if name in {"alpha", "beta"} else f"features.{name.split('.', 1)[1]}"
            parameter.copy_(tensors[own])
    return network.eval()


def without_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """Constructors take VGG-16 of torchvision, and would download its weights."""
    import torchvision

    plain = torchvision.models.vgg16
    monkeypatch.setattr(torchvision.models, "vgg16", lambda **_: plain(weights=None))


def test_equals_pyiqa(ours: Dists, file: Path, astronaut: Image8, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = pytest.importorskip("pyiqa.archs.dists_arch")
    without_download(monkeypatch)
    theirs = filled(module.DISTS(pretrained=False), file)
    for sr, hr in pairs(astronaut):
        with torch.inference_mode():
            expected = float(theirs(tensor(sr), tensor(hr)))
        assert ours.distance(ours.prepare(sr), ours.prepare(hr)) == pytest.approx(expected, abs=2e-5)
        assert expected > 0.01


def test_equals_torchmetrics_with_the_authors_own_alpha_and_beta(
    file: Path, tmp_path: Path, astronaut: Image8, monkeypatch: pytest.MonkeyPatch
) -> None:
    module: Any = pytest.importorskip("torchmetrics.functional.image.dists")
    published = module._PATH_WEIGHT_DISTS
    if not published.is_file():
        pytest.skip("this torchmetrics has no weights of DISTS")
    heads = read_state_dict(published)
    assert min(float(heads[name].min()) for name in ("alpha", "beta")) >= 0, "or DISTS could be negative"
    torch.save({**read_state_dict(file), **heads}, tmp_path / "real.pth")
    ours = Dists(tmp_path / "real.pth")
    plain = module.vgg16
    monkeypatch.setattr(module, "vgg16", lambda **_: plain(weights=None))
    theirs = filled(module.DISTSNetwork(), tmp_path / "real.pth")
    for sr, hr in pairs(astronaut):
        with torch.inference_mode():
            expected = float(theirs(tensor(sr), tensor(hr)))
        assert ours.distance(ours.prepare(sr), ours.prepare(hr)) == pytest.approx(expected, abs=2e-5)


def test_fixed_points(ours: Dists, astronaut: Image8) -> None:
    (sr, hr), *_ = pairs(astronaut)
    x, y = ours.prepare(sr), ours.prepare(hr)
    assert ours.distance(y, y) == pytest.approx(0, abs=1e-12)
    assert ours.distance(x, y) == ours.distance(y, x)
    assert len(x) == len(CHANNELS) and tuple(part.shape[0] for part in x) == CHANNELS


def test_errors_say_what_is_wrong(ours: Dists, tmp_path: Path, astronaut: Image8, monkeypatch: Any) -> None:
    with pytest.raises(MetricError, match="needs images of 16x16 px or more, not 12x15"):
        ours.prepare(np.ascontiguousarray(astronaut[:15, :12]))
    with pytest.raises(MetricError, match="SR and HR are 40x20 and 20x40: only images of one size"):
        ours.distance(*(ours.prepare(np.ascontiguousarray(astronaut[:h, :w])) for h, w in ((20, 40), (40, 20))))
    torch.save({"alpha": torch.ones(3)}, tmp_path / "short.pth")
    with pytest.raises(WeightsError, match="alpha has 3 values; DISTS needs 1475"):
        Dists(tmp_path / "short.pth")
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "empty"))
    torch.save({name: torch.ones(1, 1475, 1, 1) for name in ("alpha", "beta")}, tmp_path / "heads.pth")
    with pytest.raises(WeightsError, match="weights fetch lpips-vgg"):
        Dists(tmp_path / "heads.pth")
