"""LPIPS: against the authors' package called as its README says, torchmetrics, and torchmetrics' documented number."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import lpips
import numpy as np
import pytest
import torch
import torchvision
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.functional.backbones import Net
from facesr_bench.functional.lpips import SMALLEST, Lpips
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize

NETS: tuple[Net, ...] = get_args(Net)
TORCHVISION = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """`features.*` of each network with random weights, in half precision to spare the disk."""
    folder = tmp_path_factory.mktemp("backbones")
    files = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        for net, name in TORCHVISION.items():
            features = getattr(torchvision.models, name)(weights=None).features
            files[net] = folder / f"{net}.pth"
            torch.save({f"features.{key}": value.half() for key, value in features.state_dict().items()}, files[net])
    return files


@pytest.fixture(scope="module")
def ours(backbones: dict[str, Path]) -> dict[str, Lpips]:
    return {net: Lpips(net, backbones[net]) for net in NETS}


def fill(network: Any, backbone: Path) -> Any:
    """lpips's or torchmetrics' network with the file's tensors: `slice2.3.weight` is `features.3.weight`."""
    tensors = torch.load(backbone, weights_only=True)
    with torch.no_grad():
        for name, parameter in network.net.named_parameters():
            parameter.copy_(tensors[re.sub(r"^slices?\.?\d+", "features", name)])
    return network.eval()


@pytest.fixture
def pair(astronaut: Image8) -> tuple[Image8, Image8]:
    hr = np.ascontiguousarray(astronaut[:128, :128])
    return resize(resize(hr, (16, 16)), (128, 128)), hr


def score(network: Lpips, sr: Image8, hr: Image8) -> float:
    return network.distance(network.prepare(sr), network.prepare(hr))


def maps(network: Lpips, sr: Image8, hr: Image8) -> NDArray[np.float32]:
    return network.distance_with_map(network.prepare(sr), network.prepare(hr))[1]


@pytest.mark.filterwarnings("ignore::UserWarning:torchvision")
@pytest.mark.parametrize("net", NETS)
def test_equals_the_lpips_package(
    net: Net, ours: dict[str, Lpips], backbones: dict[str, Path], pair: tuple[Image8, Image8]
) -> None:
    sr, hr = (lpips.im2tensor(image) for image in pair)
    for spatial in (False, True):
        theirs = fill(lpips.LPIPS(net=net, pnet_rand=True, spatial=spatial, verbose=False), backbones[net])
        with torch.inference_mode():
            expected = theirs(sr, hr)[0, 0].numpy()
        if spatial:
            found = maps(ours[net], *pair)
            assert found.shape == (128, 128)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
        else:
            assert score(ours[net], *pair) == pytest.approx(expected.item(), rel=1e-6)
            assert expected.item() > 1e-3


@pytest.mark.filterwarnings("ignore::UserWarning:torchvision")
@pytest.mark.parametrize("net", NETS)
def test_equals_torchmetrics(
    net: Net, ours: dict[str, Lpips], backbones: dict[str, Path], pair: tuple[Image8, Image8]
) -> None:
    module = pytest.importorskip("torchmetrics.functional.image.lpips")
    theirs = fill(module._LPIPS(net=net, pnet_rand=True), backbones[net])
    unit = [torch.from_numpy(image / np.float32(255)).permute(2, 0, 1)[None] for image in pair]
    with torch.inference_mode():
        expected = float(theirs(*unit, normalize=True))
    assert score(ours[net], *pair) == pytest.approx(expected, rel=1e-5)


def test_torchmetrics_documented_number(shared: Path) -> None:
    network = Lpips("squeeze", shared / "weights" / "squeezenet1_1_features.pth")
    random = torch.Generator().manual_seed(42)
    first, second = (torch.rand(10, 3, 100, 100, generator=random) * 2 - 1 for _ in range(2))
    found = network.distance(network.prepare_batch(first), network.prepare_batch(second))
    assert round(found, 4) == 0.1005


def test_real_faces_are_ordered(shared: Path) -> None:
    from facesr_bench.images.files import read_image
    from facesr_bench.images.folders import list_images

    network = Lpips("squeeze", shared / "weights" / "squeezenet1_1_features.pth")
    hr = resize(read_image(list_images(shared / "faces" / "hq512")[0]), (128, 128))
    found = [score(network, resize(resize(hr, (side, side)), (128, 128)), hr) for side in (128, 64, 32, 16)]
    assert found[0] == 0
    assert found == sorted(found)
    assert 0.2 < found[-1] < 1


@pytest.mark.parametrize("net", NETS)
def test_identical_images_are_at_zero(net: Net, ours: dict[str, Lpips], pair: tuple[Image8, Image8]) -> None:
    assert score(ours[net], pair[1], pair[1].copy()) == 0
    assert not maps(ours[net], pair[1], pair[1].copy()).any()


@pytest.mark.parametrize("net", NETS)
def test_symmetric(net: Net, ours: dict[str, Lpips], pair: tuple[Image8, Image8]) -> None:
    assert score(ours[net], *pair) == score(ours[net], pair[1], pair[0])


@pytest.mark.parametrize(("net", "tolerance"), [("vgg", 1e-5), ("alex", 0.1), ("squeeze", 0.1)])
def test_maps_average_to_the_score(
    net: Net, tolerance: float, ours: dict[str, Lpips], pair: tuple[Image8, Image8]
) -> None:
    # vgg's layers of 128 px are 128, 64, ... 8 px, and interpolation keeps their mean; alex's 31, 15, 7 don't divide.
    assert maps(ours[net], *pair).mean() == pytest.approx(score(ours[net], *pair), rel=tolerance)


def test_a_map_shows_where(ours: dict[str, Lpips], pair: tuple[Image8, Image8]) -> None:
    changed = pair[1].copy()
    changed[:40, :40] = pair[0][:40, :40]
    found = maps(ours["squeeze"], changed, pair[1])
    assert found[:40, :40].mean() > 10 * found[88:, 88:].mean()


def test_input_in_zero_to_one_gives_another_number(
    ours: dict[str, Lpips], backbones: dict[str, Path], pair: tuple[Image8, Image8]
) -> None:
    witness = Lpips("squeeze", backbones["squeeze"], input_range=(0, 1))
    sr, hr = (lpips.im2tensor(image) / 2 + 0.5 for image in pair)
    expected = witness.distance(witness.prepare_batch(sr), witness.prepare_batch(hr))
    assert score(witness, *pair) == pytest.approx(expected, rel=1e-5)
    assert abs(score(witness, *pair) / score(ours["squeeze"], *pair) - 1) > 0.02


def test_a_batchs_distance_is_the_mean_over_its_images(ours: dict[str, Lpips], astronaut: Image8) -> None:
    network = ours["squeeze"]
    first, second = astronaut[:64, :64], astronaut[64:128, 64:128]
    batches = [torch.cat([lpips.im2tensor(a), lpips.im2tensor(b)]) for a, b in ((first, second), (second, first[::-1]))]
    expected = (score(network, first, second) + score(network, second, first[::-1])) / 2
    found = network.distance(*(network.prepare_batch(batch.float()) for batch in batches))
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_whole_state_dict_is_as_good_as_its_features(tmp_path: Path, pair: tuple[Image8, Image8]) -> None:
    whole = torchvision.models.squeezenet1_1(weights=None).state_dict()
    assert any(name.startswith("classifier.") for name in whole)
    torch.save(whole, tmp_path / "whole.pth")
    torch.save({k: v for k, v in whole.items() if k.startswith("features.")}, tmp_path / "features.pth")
    found = [score(Lpips("squeeze", tmp_path / name), *pair) for name in ("whole.pth", "features.pth")]
    assert found[0] == found[1] > 0


@pytest.mark.parametrize("net", NETS)
def test_the_smallest_image(net: Net, ours: dict[str, Lpips]) -> None:
    least = SMALLEST[net]
    image = np.random.default_rng(0).integers(0, 256, (least, 40, 3), np.uint8)
    assert score(ours[net], image, 255 - image) > 0
    with pytest.raises(MetricError, match=f"needs images of {least}x{least} px or more, not 40x{least - 1}"):
        ours[net].prepare(image[1:])


def test_nothing_is_downloaded_and_no_random_number_drawn(
    monkeypatch: pytest.MonkeyPatch, backbones: dict[str, Path]
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was attempted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    for net in NETS:
        Lpips(net, backbones[net])
    assert torch.equal(torch.rand(3), expected)


def test_bad_input_is_refused(ours: dict[str, Lpips], backbones: dict[str, Path], pair: tuple[Image8, Image8]) -> None:
    network = ours["squeeze"]
    with pytest.raises(MetricError, match="SR is 64x128 and HR 128x128"):
        score(network, pair[0][:, :64], pair[1])
    with pytest.raises(MetricError, match="must be uint8"):
        network.prepare(pair[0].astype(np.float32))
    with pytest.raises(MetricError, match="HxWx3"):
        network.prepare(pair[0][:, :, 0])  # SFMNet's scripts score a luma plane
    with pytest.raises(MetricError, match="no LPIPS network is called 'alexnet'; did you mean 'alex'"):
        Lpips("alexnet", backbones["alex"])  # type: ignore[arg-type]
    with pytest.raises(MetricError, match="low, high"):
        Lpips("alex", backbones["alex"], input_range=(1, -1))


def test_another_networks_backbone_is_refused(backbones: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not weights of LPIPS-alex's backbone"):
        Lpips("alex", backbones["vgg"])
    with pytest.raises(WeightsError, match=r"missing, the first: features\.0\.weight"):
        torch.save({"classifier.1.weight": torch.zeros(1)}, tmp_path / "head.pth")
        Lpips("squeeze", tmp_path / "head.pth")


def test_metrics_with_networks_leave_torchs_compiler_alone(backbones: dict[str, Path], inception_weights: Path) -> None:
    """torchvision and lpips load it, which takes longer than all that these networks need."""
    code = f"""
import sys
from pathlib import Path
import facesr_bench.metrics.lpips.metric, facesr_bench.metrics.dists.metric, facesr_bench.metrics.fid.metric
from facesr_bench.functional.inception import Inception
from facesr_bench.functional.lpips import Lpips
Lpips("squeeze", Path({str(backbones["squeeze"])!r}))
Inception(Path({str(inception_weights)!r}))
sys.exit(str([name for name in ("torchvision", "torch._dynamo", "sympy", "lpips") if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
