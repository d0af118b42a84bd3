"""Every loss against values worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from facesr_bench.base.errors import WeightsError
from facesr_bench.training.losses.adversarial import discriminator_hinge, generator_hinge
from facesr_bench.training.losses.feature_matching import feature_matching
from facesr_bench.training.losses.perceptual import VGG19, Perceptual, read_vgg19
from facesr_bench.training.losses.pixel import PIXEL_LOSSES


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("l1", (0.5 + 0 + 1 + 0) / 4),
        ("l2", (0.25 + 0 + 1 + 0) / 4),
        # sqrt(d^2 + 1e-6) of 0.5, 0, 1, 0
        ("charbonnier", (0.500001 + 0.001 + 1.0000005 + 0.001) / 4),
    ],
)
def test_pixel_losses(name: str, expected: float) -> None:
    sr, hr = torch.tensor([0.5, -1.0, 0.0, 1.0]), torch.tensor([0.0, -1.0, 1.0, 1.0])
    assert float(PIXEL_LOSSES[name](sr, hr)) == pytest.approx(expected, abs=1e-7)


def test_hinge_of_the_discriminators() -> None:
    real = [torch.tensor([2.0, 0.5]), torch.tensor([[-1.0]])]
    fake = [torch.tensor([-2.0, 0.5]), torch.tensor([[-0.25]])]
    on_real, on_fake = discriminator_hinge(real, fake)
    # First: max(0, 1-2), max(0, 1-0.5) -> 0.25; second: 2. Then their mean, not weighted by the number of positions.
    assert float(on_real) == pytest.approx((0.25 + 2) / 2)
    # First: max(0, 1-2), max(0, 1+0.5) -> 0.75; second: 0.75.
    assert float(on_fake) == pytest.approx(0.75)


def test_hinge_of_the_generator() -> None:
    assert float(generator_hinge([torch.tensor([2.0, 0.0]), torch.tensor([-3.0])])) == pytest.approx((-1 + 3) / 2)


def test_a_confident_discriminator_is_left_alone() -> None:
    real = torch.tensor([1.5, 3.0], requires_grad=True)
    on_real, on_fake = discriminator_hinge([real], [torch.tensor([-1.0, -7.0])])
    assert on_real.item() == on_fake.item() == 0
    torch.autograd.backward(on_real)
    assert real.grad is not None and not real.grad.any()


def test_feature_matching_sums_layers_and_averages_scales() -> None:
    ones, zeros = torch.ones(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    fake = [[ones, 2 * ones], [zeros, zeros]]
    real = [[zeros, zeros], [zeros, -3 * torch.ones(1, 2, 2, 2)]]
    assert float(feature_matching(fake, real)) == pytest.approx(((1 + 2) + (0 + 3)) / 2)


def test_feature_matching_leaves_the_target_alone() -> None:
    fake, real = torch.tensor([1.0], requires_grad=True), torch.tensor([3.0], requires_grad=True)
    torch.autograd.backward(feature_matching([[fake]], [[real]]))
    assert fake.grad is not None and fake.grad.item() == -1
    assert real.grad is None


@pytest.fixture(scope="module")
def vgg() -> VGG19:
    torch.manual_seed(3)
    return VGG19().eval().requires_grad_(False)


def test_vgg19_is_torchvisions(vgg: VGG19) -> None:
    from torchvision.models.vgg import cfgs, make_layers

    theirs = make_layers(cfgs["E"])
    theirs.load_state_dict({**theirs.state_dict(), **vgg.features.state_dict()})
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    x = torch.rand(1, 3, 32, 32)
    features = vgg(2 * x - 1)
    assert [f.shape[1] for f in features] == [64, 128, 256, 512, 512]
    # relu1_1, relu2_1, relu3_1, relu4_1, relu5_1
    for feature, end in zip(features, (2, 7, 12, 21, 30), strict=True):
        torch.testing.assert_close(feature, theirs[:end]((x - mean) / std), rtol=1e-4, atol=1e-6)


def test_perceptual_is_the_sum_over_five_layers(vgg: VGG19) -> None:
    sr, hr = torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1
    loss = Perceptual(vgg)
    expected = sum(float((a - b).abs().mean()) for a, b in zip(vgg(sr), vgg(hr), strict=True))
    assert float(loss(sr, hr)) == pytest.approx(expected, rel=1e-5)
    assert float(loss(hr, hr)) == 0
    sr.requires_grad_()
    torch.autograd.backward(loss(sr, hr))
    assert sr.grad is not None and sr.grad.any()


def test_vgg19_is_read_from_torchvisions_file(vgg: VGG19, tmp_path: Path) -> None:
    path = tmp_path / "vgg19.pth"
    whole = {**vgg.state_dict(), "classifier.0.weight": torch.zeros(2, 2)}
    torch.save(whole, path)
    read = read_vgg19(path)
    assert torch.equal(read.features.state_dict()["28.weight"], vgg.features.state_dict()["28.weight"])
    assert not any(p.requires_grad for p in read.parameters())


@pytest.mark.parametrize("what", ["missing", "damaged", "other"])
def test_what_is_not_vgg19_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "vgg19.pth"
    if what == "damaged":
        path.write_bytes(b"no checkpoint")
    elif what == "other":
        torch.save({"features.0.weight": torch.zeros(64, 1, 3, 3)}, path)
    with pytest.raises(WeightsError) as error:
        read_vgg19(path)
    expected = {
        "missing": "no such file",
        "damaged": "not a plain PyTorch checkpoint",
        "other": "not weights of torchvision's VGG19",
    }
    assert expected[what] in str(error.value) and str(path) in str(error.value)


def test_the_losses_are_pulled_down_by_their_own_gradient(vgg: VGG19) -> None:
    """Two steps of descent on a picture lower each loss."""
    torch.manual_seed(0)
    hr = torch.rand(1, 3, 32, 32) * 2 - 1
    losses: list[Callable[[Tensor, Tensor], Tensor]] = [*PIXEL_LOSSES.values(), Perceptual(vgg)]
    for loss in losses:
        sr = nn.Parameter(torch.rand(1, 3, 32, 32) * 2 - 1)
        optimizer = torch.optim.Adam([sr], lr=0.02)
        values = []
        for _ in range(3):
            optimizer.zero_grad()
            value = loss(sr, hr)
            torch.autograd.backward(value)
            optimizer.step()
            values.append(value.item())
        assert values[0] > values[1] > values[2]
