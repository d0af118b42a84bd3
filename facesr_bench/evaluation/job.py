"""The unit of work: one method on one protocol, on a block of its images; and what is heard of it while it is done.

A job is names and paths alone, so that any process that sees the same files can do it. Pictures, maps and features are
written where the result's folder says; images.jsonl and the manifest by the run that made the job, which hears every
line that belongs there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from facesr_bench.evaluation.request import RunRequest
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.samples import SampleRecord


@dataclass(frozen=True)
class Job:
    """One method on one protocol, on a block of its images.

    Attributes:
        request: what the run was asked for: metrics, data, device, batches.
        protocol: its name.
        method: as the user wrote it: a name or a folder, with the weights.
        weights: the method's checkpoint, already verified; None for methods without.
        result: the result's folder, which has a manifest.
        todo: ids, in the dataset's order, each with `run` (the method is needed) or `score` (its image is on disk).
        attended: ids of the images whose attention maps are kept.
        samples: of images that lie in the result's folder of inputs, though samples.jsonl there doesn't say so.
        unreadable: why the sender could not read some of the images, by their ids.
        network: the method's network as exported for `--backend`, checked; None where torch computes it.
    """

    request: RunRequest
    protocol: str
    method: str
    weights: Path | None
    result: Path
    todo: tuple[tuple[str, str], ...]
    attended: frozenset[str] = frozenset()
    network: Path | None = None
    samples: tuple[SampleRecord, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Facts:
    """What the process that does a job knows, and the result's manifest says.

    Attributes:
        environment: versions and device that the numbers come from.
        metrics: how each metric describes itself once its networks are open, by its column.
        unavailable: why a metric can't be computed there, by its column.
        cost: what the method costs, see `evaluation.cost`; None where it was not needed.
    """

    environment: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Any]]
    unavailable: Mapping[str, str]
    cost: Mapping[str, Any] | None = None


class Sink(Protocol):
    """Hears of jobs, of one thing at a time; every argument is plain data."""

    def started(self, job: Job) -> None:
        """Somebody has begun it."""

    def facts(self, job: Job, facts: Facts) -> None:
        """Networks are open; again if the method is needed only later."""

    def image(self, job: Job, record: ImageRecord, sample: SampleRecord | None) -> None:
        """One image is done, and all its files are written; `sample` is None where it could not be read."""

    def problem(self, job: Job, message: str) -> None:
        """Something failed that costs no number."""

    def mended(self, job: Job, message: str) -> None:
        """A file was not as it had been written, and what it held was computed anew."""

    def failed(self, job: Job, message: str, details: str | None) -> None:
        """The method can't be loaded; no image was computed."""
