"""Sides of a comparison made of numbers alone, as a result or a baseline's file gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from facesr_bench.results.gate.sides import Asked, Header, Shot, Side
from facesr_bench.results.record import DataRecord, MetricRecord, ProfileRecord, ProtocolRecord

PSNR = MetricRecord(
    title="PSNR",
    version=1,
    unit="dB",
    digits=2,
    higher_is_better=True,
    typed="psnr",
    order=1,
    margin=0.05,
    severity=1.0,
)
LPIPS = MetricRecord(
    title="LPIPS",
    version=1,
    higher_is_better=False,
    typed="lpips",
    margin=0.003,
    severity=0.1,
    weights="alex",
    weights_sha256="a" * 64,
)
DEFAULTS = {"psnr": PSNR, "lpips": LPIPS}


def side(
    values: Mapping[str, Sequence[float]],
    *,
    people: Sequence[str] | None = None,
    pixels: Sequence[str] | str | None = None,
    label: str = "toy",
    **header: Any,
) -> Side:
    """A side whose images are `face000`, `face001` ... with the values given, by metric.

    Args:
        pixels: the hash of each picture; one text makes them differ from those of another text.
        header: other fields of the header.
    """
    n = len(next(iter(values.values())))
    ids = [f"face{i:03d}" for i in range(n)]
    hashes = pixels if pixels is not None and not isinstance(pixels, str) else [f"{pixels or label}-{i}" for i in ids]
    images = {
        image_id: Shot(
            id=image_id,
            identity=people[i] if people else None,
            metrics={name: float(column[i]) for name, column in values.items()},
            pixels=hashes[i],
            given=f"given-{image_id}",
        )
        for i, image_id in enumerate(ids)
    }
    fields: dict[str, Any] = {
        "protocol": ProtocolRecord(name="toy-x8", scale=8, profile="sparnet"),
        "data": DataRecord(hash="d" * 64, count=n),
        "definition": "f" * 16,
        "profile": ProfileRecord(name="sparnet"),
        "metrics": {name: DEFAULTS[name] for name in values},
        "method": Asked(name=label, label=label, asked=label),
        "fingerprint": "0" * 16,
        "n": n,
    }
    return Side("here", Header(**{**fields, **header}), images)


def with_shot(one: Side, /, image_id: str, **changes: Any) -> Side:
    """The side with one image changed."""
    changed = replace(one.images[image_id], **changes)
    return Side(one.where, one.header, {**one.images, image_id: changed}, one.result)


def noisy(rng: np.random.Generator, n: int, sd: float, loss: float = 0.0) -> tuple[Side, Side]:
    """Two measurements of PSNR of the same n images, whose differences have `sd` and a mean of `loss`."""
    truth = 26 + 2 * rng.standard_normal(n)
    first = truth + sd / np.sqrt(2) * rng.standard_normal(n)
    second = truth + sd / np.sqrt(2) * rng.standard_normal(n) - loss
    return side({"psnr": first.tolist()}, label="old"), side({"psnr": second.tolist()}, label="new")
