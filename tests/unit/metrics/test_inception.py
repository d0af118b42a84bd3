"""Inception features: the network and every resizer against the codebase that they are named after, on one machine."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.functional.inception import SIDE, Inception, Resizer, preprocess
from facesr_bench.functional.inception_network import blank, quickened
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize

RESIZERS: tuple[Resizer, ...] = get_args(Resizer)


@pytest.fixture(scope="module")
def weights(inception_weights: Path) -> Path:
    return inception_weights


@pytest.fixture(scope="module")
def inception(weights: Path) -> Inception:
    return Inception(weights)


@pytest.fixture(scope="module")
def images() -> list[Image8]:
    """Four of 128x128 px: parts of a photograph, and noise."""
    import skimage.data

    skimage_data: Any = skimage.data  # it has no types
    picture = np.asarray(skimage_data.astronaut(), np.uint8)
    parts = [np.ascontiguousarray(picture[top : top + 128, left : left + 128]) for top, left in ((0, 150), (300, 20))]
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    return [*parts, resize(parts[0][::8, ::8], (128, 128)), noise]


@pytest.fixture
def theirs(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """pytorch-fid's InceptionV3, which gets our file where it would download its own."""
    from pytorch_fid import inception as fid

    def read(url: str, progress: bool) -> dict[str, torch.Tensor]:
        return torch.load(weights, weights_only=True)  # type: ignore[no-any-return]

    monkeypatch.setattr(fid, "load_state_dict_from_url", read)
    return fid.InceptionV3


def close(found: Any, expected: Any, tolerance: float = 1e-6) -> None:
    """Within `tolerance` of the largest magnitude, which must be ordinary."""
    scale = float(np.abs(expected).max())
    assert 1e-2 < scale < 1e3
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


def as_batch(images: list[Image8]) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def test_pytorch_fid_end_to_end(inception: Inception, images: list[Image8], theirs: Any) -> None:
    with torch.inference_mode():
        expected = theirs().eval()(as_batch(images).float().div(255))[0][:, :, 0, 0].numpy()
    found = inception.features(images, "pytorch-fid")
    assert found.shape == (4, 2048)
    assert found.dtype == np.float32
    close(found, expected)


def test_torch_fidelity_end_to_end(inception: Inception, images: list[Image8], weights: Path) -> None:
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    network = module.FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights)
    )
    with torch.inference_mode():
        expected = network(as_batch(images))[0].numpy()
    close(inception.features(images, "torch-fidelity"), expected)


def test_clean_end_to_end(inception: Inception, images: list[Image8], theirs: Any) -> None:
    resizer = pytest.importorskip("cleanfid.resize").build_resizer("clean")
    resized = torch.from_numpy(np.stack([resizer(image) for image in images])).permute(0, 3, 1, 2).contiguous()
    network = theirs(resize_input=False, normalize_input=False).eval()
    with torch.inference_mode():
        expected = network((resized - 128) / 128)[0][:, :, 0, 0].numpy()
    close(inception.features(images, "clean"), expected)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (128, 128), (218, 178), (299, 299), (512, 400), (1, 7)])
def test_every_resizer_at_every_size(height: int, width: int) -> None:
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    compat = pytest.importorskip("torch_fidelity.interpolate_compat_tensorflow")
    clean = pytest.importorskip("cleanfid.resize").build_resizer("clean")
    batch = as_batch([image]).float()
    bilinear = compat.interpolate_bilinear_2d_like_tensorflow1x(batch, size=(SIDE, SIDE), align_corners=False)[0]
    assert torch.equal(preprocess(image, "torch-fidelity"), (bilinear - 128) / 128)
    bicubic = torch.from_numpy(clean(image).transpose(2, 0, 1))
    assert torch.equal(preprocess(image, "clean"), (bicubic - 128) / 128)
    # Half-pixel bilinear by SciPy: clamp, then interpolate. In float64, where torch has its places in float32.
    from scipy.ndimage import map_coordinates

    rows, columns = ((np.arange(SIDE) + 0.5) * size / SIDE - 0.5 for size in (height, width))
    where = np.meshgrid(rows.clip(0, height - 1), columns.clip(0, width - 1), indexing="ij")
    planes = [map_coordinates(image[:, :, c] / 255, where, order=1) for c in range(3)]
    np.testing.assert_allclose(preprocess(image, "pytorch-fid"), 2 * np.stack(planes) - 1, rtol=0, atol=2e-4)


def test_a_read_only_picture_that_lies_in_memory_by_planes_brings_no_warning_of_torch() -> None:
    planes = np.random.default_rng(0).integers(0, 256, (3, 40, 40), np.uint8)
    image = planes.transpose(1, 2, 0)
    image.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for resizer in get_args(Resizer):
            assert preprocess(image, resizer).shape == (3, SIDE, SIDE)


def test_at_299_px_nothing_is_resized() -> None:
    image = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    levels = image.transpose(2, 0, 1).astype(np.float32)
    np.testing.assert_allclose(preprocess(image, "pytorch-fid"), levels / 127.5 - 1, rtol=0, atol=1e-6)
    for resizer in ("clean", "torch-fidelity"):
        np.testing.assert_array_equal(preprocess(image, resizer), (levels - 128) / 128)


@pytest.mark.parametrize("resizer", RESIZERS)
def test_neither_batch_size_nor_order_matters(inception: Inception, images: list[Image8], resizer: Resizer) -> None:
    one_by_one = inception.features(images, resizer)
    close(inception.features(images, resizer, batch_size=4), one_by_one)
    close(inception.features(images, resizer, batch_size=3), one_by_one)
    np.testing.assert_array_equal(inception.features(images[::-1], resizer)[::-1], one_by_one)


def test_resizers_differ(inception: Inception, images: list[Image8]) -> None:
    found = [inception.features(images[:1], resizer) for resizer in RESIZERS]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(found[i] - found[j]).max() > 1e-3 * np.abs(found[i]).max()


def test_sizes_may_differ_and_none_is_none(inception: Inception, images: list[Image8]) -> None:
    small = images[0][:64, :100]
    both = inception.features([images[1], small], "clean", batch_size=2)
    close(both[1:], inception.features([small], "clean"))
    assert inception.features([], "clean").shape == (0, 2048)


def test_names_and_shapes_are_those_of_the_file_that_everybody_has(theirs: Any, weights: Path) -> None:
    """Through torchvision's network with pytorch-fid's blocks in it, in their order."""
    from pytorch_fid.inception import fid_inception_v3

    expected, found = fid_inception_v3().state_dict(), blank().state_dict()
    assert {name: tensor.shape for name, tensor in found.items()} == {n: t.shape for n, t in expected.items()}
    assert list(found) == list(expected), "random weights are drawn in this order"
    assert all(not tensor.any() for name, tensor in found.items() if name.endswith("num_batches_tracked"))


def test_folding_and_packing_change_no_more_than_rounding(weights: Path) -> None:
    tensors = {name: t.float() for name, t in torch.load(weights, weights_only=True).items()}
    plain, quick = blank(), blank()
    for network in (plain, quick):
        network.load_state_dict(tensors, strict=False)
    x = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)
    quick = quickened(quick, "cpu")
    packed = [unit for unit in quick.modules() if getattr(unit, "_packed", None) is not None]
    assert len(packed) == (94 if torch.backends.mkldnn.is_available() else 0)  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        close(quick(x.to(memory_format=torch.channels_last)).numpy(), plain(x).numpy())


def test_a_torch_without_what_packs_folds_alone(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Inception(weights)
    monkeypatch.setattr(torch.ops, "mkldnn", None)
    found = Inception(weights)
    picture = np.random.default_rng(4).integers(0, 256, (64, 64, 3), np.uint8)
    close(found.features([picture], "clean"), expected.features([picture], "clean"))


def test_the_callers_random_numbers_are_left_alone(weights: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    Inception(weights)
    assert torch.equal(torch.rand(3), expected)


def test_bad_input_is_refused(inception: Inception, images: list[Image8]) -> None:
    with pytest.raises(MetricError, match="no FID resizer is called 'cleen'; did you mean 'clean'"):
        inception.features(images, "cleen")  # type: ignore[arg-type]
    with pytest.raises(MetricError, match="must be uint8, not float64"):
        preprocess(images[0] / 255, "clean")  # type: ignore[arg-type]
    with pytest.raises(MetricError, match="HxWx3"):
        preprocess(images[0][:, :, 0], "clean")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="not weights of FID's Inception v3"):
        Inception(tmp_path / "other.pth")
