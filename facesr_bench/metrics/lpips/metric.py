"""LPIPS (Zhang et al. 2018) with the weights of the `lpips` package; input range and size are the profile's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from facesr_bench.functional.lpips import Layers, Lpips, write_random_backbone
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins.cards import MetricCard
from facesr_bench.plugins.convention import Convention, Says
from facesr_bench.plugins.metric import MetricBase
from facesr_bench.plugins.sample import Sample

if TYPE_CHECKING:
    from facesr_bench.functional.backbones import Net

KEPT_BYTES = 2**30
"""HR layers are kept between runs up to this size, per protocol and network. Of one image of 128 px they have 0.6 MB
(AlexNet), 2 MB (SqueezeNet) or 8 MB (VGG), of 512 px sixteen times that."""

RANGES = {"minus-one-one": (-1.0, 1.0), "zero-one": (0.0, 1.0)}


class LpipsConvention(Convention):
    """The table [lpips] of a profile."""

    range: Annotated[
        Literal["minus-one-one", "zero-one"],
        Says(
            values={
                "minus-one-one": "input in [-1, 1], as it was trained",
                "zero-one": "input in [0, 1], a known deviation",
            }
        ),
    ] = Field(default="minus-one-one", description="what levels 0 and 255 become for LPIPS; its definition is -1 and 1")
    size: Annotated[int | None, Says("resized to {} px", {None: "at the picture's own size"})] = Field(
        default=None, ge=32, description="side that both images are resized to before LPIPS (Pillow bicubic), px"
    )


class Metric(MetricBase):
    """The distance between the layers of two images, 0 for identical ones."""

    makes_map = True
    Convention = LpipsConvention
    convention: LpipsConvention

    @classmethod
    def random_weights(cls, card: MetricCard, name: str, folder: Path) -> Path | None:
        net: Net = name  # type: ignore[assignment]  # the card's names are lpips's own
        return write_random_backbone(net, folder / f"{name}.pth")

    def load(self) -> None:
        weights = self.require_weights()
        net: Net = weights.name  # type: ignore[assignment]  # the card's names are lpips's own
        span, device = RANGES[self.convention.range], self.device
        key = ("lpips", net, weights.sha256, span, device)
        self._lpips = self.shared(key, lambda: Lpips(net, weights.path, input_range=span, device=device))
        self._name = f"lpips-{net}-{weights.sha256[:16]}-{self.convention.range}-{self.convention.size}"
        self._shapes: dict[tuple[int, ...], list[tuple[int, ...]]] = {}

    def prepare_sample(self, sample: Sample) -> Layers:
        """HR's layers, read back where an earlier run has kept them."""
        hr = sample.hr
        assert hr is not None  # the card needs a reference
        if hr.shape not in self._shapes:
            self._shapes[hr.shape] = [tuple(layer.shape) for layer in self.prepare(hr).layers]
        shapes = self._shapes[hr.shape]
        sizes = [math.prod(shape) for shape in shapes]
        flat = sample.once(f"{self._name}-v{self.card.version}", lambda: _flat(self.prepare(hr)), limit=KEPT_BYTES)
        if flat.shape != (sum(sizes),) or flat.dtype != np.float32:
            return self.prepare(hr)  # not what was written there
        return self._unpack(flat, shapes, hr.shape[:2])

    def _unpack(self, flat: NDArray[np.float32], shapes: Sequence[tuple[int, ...]], size: tuple[int, ...]) -> Layers:
        import torch

        parts = torch.split(torch.from_numpy(flat).to(self.device), [math.prod(shape) for shape in shapes])
        side = self.convention.size
        height, width = size if side is None else (side, side)
        return Layers((height, width), tuple(part.view(shape) for part, shape in zip(parts, shapes, strict=True)))

    def prepare(self, hr: Image8) -> Layers:
        """HR's layers, shared by all methods."""
        side = self.convention.size
        return self._lpips.prepare(hr if side is None else resize(hr, (side, side)))

    def per_image(self, sr: Image8, reference: Layers) -> float:
        return self._lpips.distance(self.prepare(sr), reference)

    def with_map(self, sr: Image8, reference: Layers) -> tuple[float, NDArray[np.float32]]:
        return self._lpips.distance_with_map(self.prepare(sr), reference)


def _flat(layers: Layers) -> NDArray[np.float32]:
    """Every layer, one behind the other."""
    return np.concatenate([layer.cpu().numpy().ravel() for layer in layers.layers])
