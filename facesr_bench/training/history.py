"""The history of a training, for the screen when it starts, its log, and its weights files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesr_bench.training.config import AdversarialSettings, Settings
from facesr_bench.training.data import Faces
from facesr_bench.training.log import machine
from facesr_bench.training.plan import Plan


@dataclass(frozen=True)
class History:
    """What is known when a training starts.

    Attributes:
        device: with its number, as torch writes it.
        world: how many processes share a batch.
        bicubic: PSNR (dB) of the held-out faces by bicubic interpolation.
        init: what the network was begun from (`checkpoints.start_from`); empty: from chance.
    """

    plan: Plan
    faces: Faces
    device: str
    world: int
    bicubic: float
    init: dict[str, str]

    def start(self, step: int) -> dict[str, Any]:
        """The line of the log with which training goes on from `step`."""
        plan, job = self.plan, self.plan.job
        return {
            "step": step,
            "bicubic_psnr": round(self.bicubic, 4),
            "train": len(self.faces.train),
            "validation": len(self.faces.held_out),
            "arguments": {
                "method": plan.recipe.method,
                "steps": plan.steps,
                "minutes": job.minutes,
                "seed": plan.seed,
                "precision": plan.precision,
                "devices": self.world,
                "init": self.init.get("init"),
                "init_sha256": self.init.get("init_sha256"),
            },
            "settings": _without_folders(plan.settings),
            "environment": machine(self.device),
        }

    def announcement(self, step: int, parameters: int) -> list[str]:
        """The same for people.

        Args:
            parameters: of the network.
        """
        plan = self.plan
        method = plan.recipe.method
        until = f"to step {plan.steps:,}" if plan.steps is not None else f"for {plan.job.minutes:g} minutes"
        lines = [
            f"training {method} ({parameters / 1e6:.2f} M parameters) from step {step:,} {until}, batch "
            f"{plan.settings.schedule.batch_size}, on {self.world} x {self.device.partition(':')[0]}, "
            f"{plan.precision}; {len(self.faces.train):,} faces, {len(self.faces.held_out)} held out "
            f"(bicubic: {self.bicubic:.2f} dB)"
        ]
        if not plan.fits_card():
            lines.append(
                f"note: this network has not the shape that the card of {method} describes, so "
                f"{method}@FILE can't load it"
            )
        return lines

    def metadata(self, *, step: int, samples: int, seconds: float, psnr: float | None) -> dict[str, str]:
        """What a weights file says of itself; `weights export` builds on it.

        Args:
            step: steps done.
            samples: seen in them.
            seconds: they took.
            psnr: of the last validation, dB.
        """
        plan = self.plan
        fields = {
            "method": plan.recipe.method,
            "data": f"{len(self.faces.train)} pictures of the folder {plan.data.resolve().name}",
            "training_images": len(self.faces.train),
            "steps": step,
            "samples": samples,
            "seconds": round(seconds),
            "losses": losses_in_words(plan.settings),
            "validation_psnr": round(psnr, 4) if psnr is not None else None,
            "validation_psnr_bicubic": round(self.bicubic, 4),
            "seed": plan.seed,
            "precision": plan.precision,
            **self.init,
            "commit": machine(self.device)["commit"],
            "settings": json.dumps(_without_folders(plan.settings)),
        }
        return {name: str(value) for name, value in fields.items() if value is not None}


def losses_in_words(settings: Settings) -> str:
    """The terms that are minimised, with their weights."""
    terms = settings.objective
    if not isinstance(terms, AdversarialSettings):
        return terms.loss
    weighted = {
        terms.loss: terms.pixel,
        "hinge adversarial": terms.adversarial,
        "feature matching": terms.feature_matching,
        "VGG19 perceptual": terms.perceptual,
    }
    return ", ".join(f"{name} x{weight:g}" for name, weight in weighted.items() if weight)


def _without_folders(settings: Settings) -> dict[str, Any]:
    """The settings for log and metadata: what lies where on this machine is nobody's business."""
    flat = settings.flat()
    return {**flat, "vgg19": Path(str(flat["vgg19"])).name} if "vgg19" in flat else dict(flat)
