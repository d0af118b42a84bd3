"""The training objective: pixels alone, or SPARNetHD's four terms with discriminators of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from facesr_bench.base.errors import FaceSRBenchError, TrainingError
from facesr_bench.base.suggest import expanded
from facesr_bench.training.config import AdversarialSettings, PixelSettings, Settings
from facesr_bench.training.discriminator import MultiScaleDiscriminator
from facesr_bench.training.losses.adversarial import discriminator_hinge, generator_hinge
from facesr_bench.training.losses.feature_matching import feature_matching
from facesr_bench.training.losses.perceptual import Perceptual, read_vgg19
from facesr_bench.training.losses.pixel import PIXEL_LOSSES
from facesr_bench.training.parallel import Processes
from facesr_bench.weights.store import require

Terms = dict[str, Tensor]
"""Loss terms by name, without their weights and without gradient."""


class Objective(Protocol):
    """One step's losses.

    Attributes:
        pixel: the name of the pixel loss among the terms.
        networks: those that are trained along, by name.
        optimizers: theirs, by the same names, each with its base learning rate.
    """

    pixel: str
    networks: dict[str, nn.Module]
    optimizers: dict[str, tuple[torch.optim.Adam, float]]

    def loss(self, sr: Tensor, hr: Tensor) -> tuple[Tensor, Terms]:
        """What the network minimises, and its terms."""

    def after(self, sr: Tensor, hr: Tensor) -> Terms:
        """The turn of the networks that are trained along; `sr` comes without gradient."""


class PixelObjective:
    """The distance of the pixels."""

    def __init__(self, settings: PixelSettings) -> None:
        self.pixel: str = settings.loss
        self.networks: dict[str, nn.Module] = {}
        self.optimizers: dict[str, tuple[torch.optim.Adam, float]] = {}

    def loss(self, sr: Tensor, hr: Tensor) -> tuple[Tensor, Terms]:
        loss = PIXEL_LOSSES[self.pixel](sr, hr)
        return loss, {self.pixel: loss.detach()}

    def after(self, sr: Tensor, hr: Tensor) -> Terms:
        del sr, hr
        return {}


class AdversarialObjective:
    """Pixels, hinge, feature matching and VGG19, each with its weight, against multi-scale discriminators."""

    def __init__(
        self,
        settings: AdversarialSettings,
        betas: tuple[float, float],
        processes: Processes,
        autocast: Callable[[], Any],
    ) -> None:
        self._settings, self._processes, self._autocast = settings, processes, autocast
        self.pixel: str = settings.loss
        discriminator = MultiScaleDiscriminator(settings.discriminators, settings.d_channels, settings.d_layers)
        self._raw = discriminator.to(processes.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.Adam(self._raw.parameters(), lr=settings.d_lr, betas=betas)
        self.networks = {"discriminator": self._raw}
        self.optimizers: dict[str, tuple[torch.optim.Adam, float]] = {"discriminator": (optimizer, settings.d_lr)}
        self._wrapped = processes.wrap(self._raw)
        self._perceptual: Perceptual | None = None
        if settings.perceptual:
            self._perceptual = Perceptual(read_vgg19(find_vgg19(settings.vgg19))).to(processes.device)

    def loss(self, sr: Tensor, hr: Tensor) -> tuple[Tensor, Terms]:
        settings = self._settings
        # The network's turn: the discriminators only judge.
        self._raw.requires_grad_(False)
        with self._autocast():
            with torch.no_grad():
                real = self._raw(hr)
            fake = self._raw(sr)
            perceptual = self._perceptual(sr, hr) if self._perceptual is not None else None
        terms = {
            self.pixel: PIXEL_LOSSES[self.pixel](sr, hr),
            "adversarial": generator_hinge([logits for _, logits in fake]),
            "feature_matching": feature_matching([f for f, _ in fake], [f for f, _ in real]),
        }
        weights = [settings.pixel, settings.adversarial, settings.feature_matching]
        if perceptual is not None:
            terms["perceptual"] = perceptual
            weights.append(settings.perceptual)
        loss = torch.stack([weight * term for weight, term in zip(weights, terms.values(), strict=True)]).sum()
        return loss, {name: term.detach() for name, term in terms.items()}

    def after(self, sr: Tensor, hr: Tensor) -> Terms:
        optimizer, _ = self.optimizers["discriminator"]
        self._raw.requires_grad_(True)
        optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            # One pass for both: several passes before one backward don't go together with gradients averaged
            # over processes. Instance norm keeps the pictures apart.
            judged = self._wrapped(torch.cat([hr, sr]))
        logits = [verdict.chunk(2) for _, verdict in judged]
        real, fake = discriminator_hinge([r for r, _ in logits], [f for _, f in logits])
        self._processes.backward(real + fake)
        optimizer.step()
        return {"d_real": real.detach(), "d_fake": fake.detach()}


def find_vgg19(given: str) -> Path:
    """VGG19's file: the one given, or the store's.

    Raises:
        TrainingError: there is none; says the three ways out.
    """
    if given:
        return expanded(given)
    try:
        return require("vgg19")
    except FaceSRBenchError as error:
        reason = str(error).splitlines()[0]
    raise TrainingError(
        f"the perceptual loss needs VGG19: {reason}\n"
        "  get it:         facesr-bench weights fetch vgg19\n"
        "  or give it:     --set vgg19=/path/to/vgg19-dcbb9e9d.pth\n"
        "  or train without the perceptual loss:  --set perceptual=0"
    )


def make_objective(settings: Settings, processes: Processes, autocast: Callable[[], Any]) -> Objective:
    """The objective that the settings ask for."""
    if isinstance(settings.objective, PixelSettings):
        return PixelObjective(settings.objective)
    betas = settings.schedule.beta1, settings.schedule.beta2
    return AdversarialObjective(settings.objective, betas, processes, autocast)
