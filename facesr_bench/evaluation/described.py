"""What a bundle's sender says of metrics, held against what they are here.

The record of a metric says which way is better, which values stay out of a mean, and what its column is called: whoever
may say that puts any row first. So metrics that are installed here describe themselves, whatever a stranger says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from facesr_bench.base.errors import PLUGIN_ERRORS, FaceSRBenchError
from facesr_bench.base.grammar import Column, Spec
from facesr_bench.base.suggest import is_path
from facesr_bench.evaluation.metrics import Setup, find_metric
from facesr_bench.plugins.convention import PixelConvention
from facesr_bench.plugins.profile import Profile
from facesr_bench.results.bundle.opened import Sent
from facesr_bench.results.record import MetricRecord

_DECIDES = ("of", "higher_is_better", "leave_out_below")
"""What must be equal where the version is: means and ranks follow from it."""

_SENDERS = frozenset({"typed", "version", "aggregates", "convention", "weights", "weights_sha256", "fid_reference"})
"""What only the sender knows of how its values were made."""


_ANY = Profile(name="any", summary="", source=(), quantise="round", pixels=PixelConvention(channel="rgb"))
"""Of what is asked here, nothing depends on the profile."""


def as_here(sent: Sent) -> tuple[Sent, list[str]]:
    """A result of a bundle with the metrics described as they are here, and where its sender's word contradicts that.

    A metric that is not installed here stays as it was sent.
    """
    metrics, problems = {}, []
    for key, said in sent.manifest.metrics.items():
        here = _here(key)
        if here is None:
            metrics[key] = said
            continue
        for name in _DECIDES if here.version == said.version else ():
            theirs, ours = getattr(said, name), getattr(here, name)
            if theirs != ours:
                problems.append(f"{sent.name}: {key} is described otherwise than here: {name} {theirs}, here {ours}")
        kept = _SENDERS if here.version == said.version else _SENDERS | {"leave_out_below"}
        known = {name: value for name, value in here if name not in kept}
        metrics[key] = said.model_copy(update=known)
    return replace(sent, manifest=sent.manifest.model_copy(update={"metrics": metrics})), problems


def _here(key: str) -> MetricRecord | None:
    """What the metric of a column says of itself on this machine; None for one that is not installed."""
    for spec in _asked(Column.parse(key)):
        try:
            metric = find_metric(str(spec), Setup(_ANY, scale=1))
        except (FaceSRBenchError, *PLUGIN_ERRORS):
            continue
        return MetricRecord.model_validate(metric.describe())
    return None


def _asked(column: Column) -> Iterator[Spec]:
    """How the metric of a column may be asked for: in brackets stand a variant, a reference set, or both."""
    if is_path(column.name) or "/" in column.name:
        return  # nothing of a bundle is ever run
    whole = Spec(column.name, column.inner, column.argument, column.weights)
    yield whole
    if column.inner is not None:
        yield replace(whole, variant=column.inner.partition(":")[0])
        yield replace(whole, variant=None)
    yield Spec(column.name)
