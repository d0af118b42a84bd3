"""What all methods on one protocol share: its data, its convention, its metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from facesr_bench.base import hashing
from facesr_bench.base.devices import torch_device
from facesr_bench.base.files import file_name
from facesr_bench.base.hashing import canonical
from facesr_bench.base.memo import Memo
from facesr_bench.data.protocols import Datasets, catalogue, find_protocol
from facesr_bench.evaluation import set_metrics
from facesr_bench.evaluation.inputs import Source, open_source
from facesr_bench.evaluation.metrics import Setup, find_metrics, profile_for
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.plugins.cards import DatasetCard, MethodCard, ProtocolCard
from facesr_bench.plugins.degradation import degradation_of
from facesr_bench.plugins.degradation import identity as degradation_identity
from facesr_bench.plugins.metric import AnyMetric
from facesr_bench.plugins.profile import Profile
from facesr_bench.plugins.registry import Plugin
from facesr_bench.results.record import (
    DataRecord,
)
from facesr_bench.results.samples import SAMPLES, read_samples


@dataclass(frozen=True)
class Setting:
    """What all methods on one protocol share.

    Attributes:
        datasets: all that are known to the run.
        plugin: the protocol's dataset.
        device: the torch device of methods and metrics.
        metrics: made, but their networks are not open.
    """

    options: RunRequest
    datasets: Datasets
    plugin: Plugin[DatasetCard]
    card: ProtocolCard
    profile: Profile
    device: str
    metrics: Sequence[AnyMetric]

    @property
    def root(self) -> Path:
        """Where the protocol's results are."""
        return self.options.out / file_name(self.card.name)

    def unaligned(self, card: MethodCard) -> bool:
        """True if the method needs FFHQ-aligned faces and the protocol does not promise them."""
        return card.needs_ffhq_alignment and self.card.aligned != "ffhq"

    @cached_property
    def definition(self) -> str:
        """A hash of what the protocol and profile decide; the data has its own."""
        cards = {"protocol": canonical(self.card), "profile": canonical(self.profile)}
        return hashing.fingerprint({**cards, **_degradation_identity(self.plugin, self.card)})

    @cached_property
    def source(self) -> Source:
        """The protocol's dataset, opened when first asked for.

        Raises:
            FaceSRBenchError: see `open_source`.
        """
        return open_source(self.card, self.options.data, self.datasets)

    @cached_property
    def prepared(self) -> frozenset[str] | None:
        """The images whose samples are kept, as the run finds them; None where an earlier release kept them."""
        folder = self.root / "inputs" / str(self.data.inputs)[:16]
        return frozenset(read_samples(folder)) if (folder / SAMPLES).is_file() else None

    @cached_property
    def data(self) -> DataRecord:
        """What the dataset holds."""
        content = self.source.content_hash()
        inputs = hashing.fingerprint({"data": content, **inputs_of(self.plugin, self.card)})
        return DataRecord(hash=content, count=len(self.source.items), inputs=inputs)


def profile_of(options: RunRequest, card: ProtocolCard) -> Profile:
    """The convention to compute a protocol's metrics by; errors as `profile_for`."""
    return profile_for(options.profile or card.profile, options.metrics or card.metrics)


def open_setting(options: RunRequest, protocol: str, memo: Memo) -> Setting:
    """What the methods of a protocol share, from names alone.

    Args:
        memo: keeps the networks that several metrics use.

    Raises:
        FaceSRBenchError: something is not known by its name.
    """
    datasets = catalogue(options.protocols)
    plugin, card = find_protocol(protocol, datasets)
    profile, device = profile_of(options, card), torch_device(options.device)
    reference = set_metrics.read_reference(*options.fid_reference) if options.fid_reference else None
    setup = Setup(profile, card.scale, device, reference, memo, degradation_of(card, plugin))
    metrics = find_metrics(options.metrics or card.metrics, setup)
    return Setting(options, datasets, plugin, card, profile, device, metrics)


def inputs_of(plugin: Plugin[DatasetCard], card: ProtocolCard) -> dict[str, Any]:
    """What decides the images that methods get, beside the data itself."""
    return {"protocol": canonical(card), "dataset_code": plugin.code_hash(), **_degradation_identity(plugin, card)}


def _degradation_identity(plugin: Plugin[DatasetCard], card: ProtocolCard) -> dict[str, Any]:
    """What tells the LR images of a degradation from those of another of its name; nothing where LR is given."""
    how = degradation_of(card, plugin)
    return {} if how is None else degradation_identity(how)
