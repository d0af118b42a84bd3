"""The discriminators, and whose turn it is."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from facesr_bench.base.errors import TrainingError
from facesr_bench.training.config import AdversarialSettings
from facesr_bench.training.discriminator import MultiScaleDiscriminator
from facesr_bench.training.losses.perceptual import VGG19
from facesr_bench.training.objective import AdversarialObjective, find_vgg19
from facesr_bench.training.parallel import OneProcess


def small(**changes: float | str) -> AdversarialSettings:
    values = {"perceptual": 0.0, "discriminators": 2, "d_layers": 2, "d_channels": 8, **changes}
    return AdversarialSettings(**values)  # type: ignore[arg-type]


def objective(settings: AdversarialSettings) -> AdversarialObjective:
    torch.manual_seed(0)
    return AdversarialObjective(settings, (0.5, 0.99), OneProcess("cpu"), nullcontext)


def test_three_scales_of_four_layers() -> None:
    discriminator = MultiScaleDiscriminator(3, 64, 4)
    judged = discriminator(torch.rand(1, 3, 128, 128))
    assert len(judged) == 3
    for i, (features, logits) in enumerate(judged):
        assert [f.shape[1] for f in features] == [64, 128, 256, 512, 512]
        side = 128 // 2**i
        # Four convolutions of stride 2, kernel 4, padding 2, then two of stride 1 that add one pixel each.
        for _ in range(4):
            side = side // 2 + 1
        assert logits.shape == (1, 1, side + 2, side + 2)
    convolutions = [m for m in discriminator.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 3 * 6 and all(hasattr(m, "weight_orig") for m in convolutions)
    norms = [m for m in discriminator.modules() if isinstance(m, nn.InstanceNorm2d)]
    assert len(norms) == 3 * 4


def test_spectral_norm_holds_the_largest_singular_value_at_one() -> None:
    torch.manual_seed(0)
    discriminator = MultiScaleDiscriminator(1, 8, 2).train()
    for _ in range(100):  # each pass is one step of the power iteration
        discriminator(torch.rand(1, 3, 16, 16))
    discriminator.eval()
    discriminator(torch.rand(1, 3, 16, 16))
    for module in discriminator.modules():
        if isinstance(module, nn.Conv2d):
            assert torch.linalg.matrix_norm(module.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.03)


def test_pictures_of_a_batch_are_judged_apart() -> None:
    torch.manual_seed(0)
    discriminator = MultiScaleDiscriminator(2, 8, 2).eval()
    a, b = torch.rand(2, 1, 3, 32, 32)
    both = discriminator(torch.cat([a, b]))
    for (_, together), (_, alone) in zip(both, discriminator(b), strict=True):
        torch.testing.assert_close(together[1:], alone)


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    terms_of = objective(small(pixel=100.0, adversarial=1.0, feature_matching=10.0))
    sr, hr = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    loss, terms = terms_of.loss(sr.requires_grad_(), hr)
    assert list(terms) == ["l1", "adversarial", "feature_matching"]
    expected = 100 * terms["l1"] + terms["adversarial"] + 10 * terms["feature_matching"]
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    assert float(terms["l1"]) == pytest.approx(float(functional.l1_loss(sr, hr)))


def test_on_the_networks_turn_the_discriminators_get_no_gradient_and_on_theirs_they_do() -> None:
    terms_of = objective(small())
    discriminator = terms_of.networks["discriminator"]
    sr, hr = torch.rand(2, 3, 32, 32, requires_grad=True), torch.rand(2, 3, 32, 32)
    loss, _ = terms_of.loss(sr, hr)
    loss.backward()  # type: ignore[no-untyped-call]
    assert sr.grad is not None and sr.grad.any()
    assert all(p.grad is None for p in discriminator.parameters())
    before = [p.detach().clone() for p in discriminator.parameters()]
    terms = terms_of.after(sr.detach(), hr)
    assert list(terms) == ["d_real", "d_fake"]
    assert any(not torch.equal(p, q) for p, q in zip(before, discriminator.parameters(), strict=True))


def test_discriminators_learn_to_tell_and_feature_matching_follows_the_picture() -> None:
    """Against a fixed bad output the discriminators' losses fall; the closer the output, the lower feature matching."""
    terms_of = objective(small(d_lr=2e-3))
    torch.manual_seed(1)
    hr = torch.rand(4, 3, 32, 32) * 2 - 1
    sr = functional.avg_pool2d(hr, 5, stride=1, padding=2)
    told = [terms_of.after(sr, hr) for _ in range(25)]
    for name in ("d_real", "d_fake"):
        assert float(told[-1][name]) < 0.5 * float(told[0][name])
    matching = [float(terms_of.loss(torch.lerp(sr, hr, t), hr)[1]["feature_matching"]) for t in (0.0, 0.5, 0.9, 1.0)]
    assert matching[0] > matching[1] > matching[2] > matching[3]
    assert matching[3] == pytest.approx(0, abs=1e-3)  # not quite: each pass goes on with the power iteration


def test_perceptual_needs_vgg19_unless_it_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path))
    with pytest.raises(TrainingError) as error:
        objective(small(perceptual=1.0))
    for way_out in ("weights fetch vgg19", "--set vgg19=", "--set perceptual=0"):
        assert way_out in str(error.value)
    _, terms = objective(small(perceptual=0.0)).loss(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))
    assert "perceptual" not in terms


def test_perceptual_takes_its_weight(tmp_path: Path) -> None:
    path = tmp_path / "vgg.pth"
    torch.save(VGG19().state_dict(), path)
    assert find_vgg19(str(path)) == path
    terms_of = objective(small(perceptual=3.0, vgg19=str(path), pixel=0.0, adversarial=0.0, feature_matching=0.0))
    loss, terms = terms_of.loss(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))
    assert float(loss) == pytest.approx(3 * float(terms["perceptual"]), rel=1e-6)
