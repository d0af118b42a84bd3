"""What is stored of one result beside its images: the manifest."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facesr_bench.base.invalid import problems

SCHEMA = 3
"""Version of the files on disk. Raised with a step in `migrations.py` and a stored result in tests/fixtures/results."""


class Part(BaseModel):
    """A part of a manifest. What it has no field for is kept: cards and later releases may say more."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())


class ProtocolRecord(Part):
    """The protocol's card, as it was."""

    name: str
    summary: str = ""
    split: str = "test"
    crop: dict[str, Any] = {}
    scale: int
    hr_size: int | None = None
    lr_size: int | None = None
    source: str = "hr"
    degradation: str | None = None
    aligned: str = "none"
    profile: str = ""
    metrics: tuple[str, ...] = ()
    expected_count: int | None = None


class DatasetRecord(Part):
    """Where the pictures came from."""

    name: str
    title: str = ""
    licence: str = ""


class DataRecord(Part):
    """The pictures themselves.

    Attributes:
        hash: of everything that the dataset read.
        count: images that the dataset lists.
        inputs: names the folder of what methods were given; None: the folder is named by `hash`.
    """

    hash: str
    count: int
    inputs: str | None = None


class ProfileRecord(Part):
    """The convention that the metrics were computed by; its further fields are those of the profile."""

    name: str
    summary: str = ""
    source: tuple[str, ...] = ()


class PaperRecord(Part):
    """Where a method was published."""

    title: str = ""
    url: str = ""
    year: int | None = None
    bibtex: str = ""


class CostRecord(Part):
    """What one image costs: its side in px, floating-point operations, bytes on the GPU; None where not measured.

    Attributes:
        parameters: of the networks that were loaded; a card's own word goes before it.
    """

    image: int | None = None
    flops: int | None = None
    peak_memory: int | None = None
    parameters: int | None = None


class ExportedRecord(Part):
    """The network that was not computed by torch as it is, and how far its pictures are from torch's in fp32.

    Attributes:
        runtime: `OpenVINO 2026.4.1`; exporter: likewise; None where torch computed the network that it had.
        faces: how many pictures were compared, when it was exported; they have `values` values of 8 bits.
        differing: how many of those are not the same; largest: by how many levels at most.
    """

    runtime: str
    exporter: str | None = None
    precision: str
    faces: int
    values: int
    differing: int
    largest: int

    @property
    def words(self) -> str:
        """A sentence for those who read the row."""
        by = f", by {self.largest} at most" if self.differing else ""
        source = "" if self.exporter is None else f" from its network as {self.exporter} exported it"
        return (
            f"computed by {self.runtime} ({self.precision}){source}: of "
            f"{self.faces} faces {self.differing:,} of {self.values:,} values of 8 bits differ from torch's{by}"
        )


class MethodRecord(Part):
    """The method and its weights.

    Attributes:
        label: what tables call the row.
        weights: the name or file of its weights, or None for a method without.
        code_hash: None where the code could not be read.
        interpolates: at scale 1 it hands its input back.
        assumed_aligned: it needs FFHQ-aligned faces, and only the user says that these are.
        argument: what followed the method's colon, as it was asked for; argument_sha256: of what it holds.
        reported_ms: milliseconds for one image that were stated and not measured here; reported_on: for which device.
        time_includes: what of its milliseconds is no upscaling.
        remarks: what a reader of its numbers must know, one sentence each.
        deterministic: false where it draws random numbers, from `seed`.
        backend: what computed its networks; exported: what of, where that was not torch as it is.
    """

    name: str
    label: str
    title: str = ""
    summary: str = ""
    weights: str | None
    weights_sha256: str | None = None
    training_data: str | None = None
    precision: str = ""
    parameters: int | None = None
    licence: str = ""
    paper: PaperRecord | None = None
    code: str | None = None
    code_hash: str | None = None
    cost: CostRecord = CostRecord()
    interpolates: bool = False
    assumed_aligned: bool = False
    argument: str | None = None
    argument_sha256: str | None = None
    reported_ms: float | None = None
    reported_on: str | None = None
    time_includes: str = ""
    remarks: tuple[str, ...] = ()
    deterministic: bool = True
    seed: int | None = None
    backend: str = "torch"
    exported: ExportedRecord | None = None


class OriginRecord(Part):
    """Where a result came from that was not computed here.

    Attributes:
        bundle: its id.
        level: how far it was verified here when it was added, see `results.bundle.opened`.
        metrics: the columns that were computed anew from its pictures.
        added: when; ISO 8601, UTC.
    """

    bundle: str
    level: int
    metrics: tuple[str, ...] = ()
    added: str = ""

    @property
    def verified(self) -> bool:
        """Whether its numbers were found here too, and not only by its sender."""
        return self.level >= RESCORED

    @property
    def badge(self) -> str:
        """`re-scored`: what stands beside the row."""
        return LEVELS[self.level] if 0 <= self.level < len(LEVELS) else f"level {self.level}"


LEVELS = ("intact", "consistent", "re-scored", "re-run")
"""How far a bundle was verified."""
INTACT, CONSISTENT, RESCORED, RERUN = range(4)


class EnvironmentRecord(Part):
    """The machine and the packages, as `facesr_bench.base.environment.environment` finds them."""

    facesr_bench: str | None = None
    commit: str | None = None
    dirty: bool | None = None
    python: str = ""
    packages: dict[str, str] = {}
    platform: str = ""
    device: str = ""
    threads: int | None = None


class MetricRecord(Part):
    """What a metric said of itself: all that is needed to read its values without it.

    Attributes:
        aggregates_on_request: whether `aggregates` are those that somebody asked for by name; else all that it has.
        typed: how a user asks for it.
        convention: what the profile makes of it, in words; None in results of a release that stored none.
        fid_reference: `NAME=FILE` of what it compares with in place of the protocol's ground truth.
        order: place of its column; columns of one place stand by name.
        family: what it is about: `fidelity`, `perception`, `identity`, `landmarks`, `other`.
        lead: whether figures that show one metric of a family show this one.
        margin: a loss of the mean up to it is no regression; None where the metric doesn't say.
        severity: an image that loses more than it counts as broken; likewise.
        code: a hash of its plug-in's folder; None for a built-in, which goes by its version.
    """

    title: str = ""
    summary: str = ""
    version: int = 0
    of: str = "image"
    unit: str = ""
    digits: int = 4
    minimum_count: int = 0
    aggregates: tuple[str, ...] = ()
    aggregates_on_request: bool = False
    leave_out_below: float | None = None
    higher_is_better: bool | None = None
    typed: str | None = None
    convention: tuple[str, ...] | None = None
    weights: str | None = None
    weights_sha256: str | None = None
    fid_reference: str | None = None
    order: int = 100
    family: str = "other"
    lead: bool = False
    margin: float | None = None
    severity: float | None = None
    code: str | None = None

    def completed(self, later: MetricRecord) -> MetricRecord:
        """What is known now; what the metric does not know of itself now stays as it was known.

        A column made of its values stays too, though nobody asked for it this time: the values are there.
        """
        known = {name: value for name, value in later if value is not None}
        columns = tuple(dict.fromkeys((*self.aggregates, *later.aggregates)))
        return self.model_copy(update={**known, "aggregates": columns})


class Request(Part):
    """What a run was asked for, of one result.

    Attributes:
        methods: as they were asked for; protocols: likewise.
        options: the others that were given, by name.
        data: names of datasets or protocols whose place was given. The places are this machine's own.
    """

    methods: tuple[str, ...]
    protocols: tuple[str, ...]
    options: dict[str, Any] = {}
    data: tuple[str, ...] = ()

    def command(self, **more: Any) -> str:
        """The `facesr-bench run` that asks for the same, ready for a shell; NAME=DIR stands for where data lies.

        Args:
            more: options that take the place of those stored, or stand beside them.
        """
        options = {"methods": self.methods, "protocols": self.protocols, **more}
        options.update((name, value) for name, value in self.options.items() if name not in options)
        words = [word for name, value in options.items() for word in _spelled(name, value)]
        places = "".join(f" --data {shlex.quote(name)}=DIR" for name in self.data)
        return shlex.join(["facesr-bench", "run", *words]) + places


def _spelled(name: str, value: Any) -> list[str]:
    """An option as the command line takes it."""
    flag = f"--{name.replace('_', '-')}"
    if value is None or value is False:
        return []
    if value is True:
        return [flag]
    if isinstance(value, Mapping):
        return [word for key, each in value.items() for word in (flag, f"{key}={each}")]
    if isinstance(value, (list, tuple)):
        return [flag, ",".join(map(str, value))]
    return [flag, str(value)]


_KEPT = ("created", "updated", "order", "tags", "environment", "request", "command", "metrics", "unkept")
"""What a manifest keeps of an earlier one of the same result."""

LAST_ORDER = 2**53
"""No place among results is beyond it: every JSON reader reads such a number as it is."""


class Manifest(Part):
    """Everything that is known of a result beside its images. It is never changed, but replaced by a changed copy.

    Attributes:
        definition: a hash of what decides numbers in the protocol and profile: results that differ in it are about
            different tasks.
        request: what the run was asked for that last computed something; None where that was not stored.
        command: how that run was started, as typed.
        created: when the result was begun, updated: when something was last computed; ISO 8601, UTC, by the machine's
            clock.
        order: the number of the run that last asked for this result, counted in its results folder: what is newest goes
            by it and not by a clock, which may be set back. 0 in results of a release that did not count.
        tags: the names that runs gave it (`run --tag`), in the order given.
        metrics: by the name of the column.
        error: why the method could not run at all, or None.
        origin: the bundle that it came in; None where it was computed here.
        unkept: whether pictures of it were left out (`run --keep none`).
    """

    schema_version: int = SCHEMA
    fingerprint: str
    definition: str
    created: str = ""
    updated: str
    order: Annotated[int, Field(ge=0, le=LAST_ORDER)] = 0
    tags: tuple[str, ...] = ()
    protocol: ProtocolRecord
    dataset: DatasetRecord
    data: DataRecord
    profile: ProfileRecord
    method: MethodRecord
    environment: EnvironmentRecord = EnvironmentRecord()
    request: Request | None = None
    command: str = ""
    metrics: dict[str, MetricRecord]
    error: str | None
    error_details: str | None = None
    origin: OriginRecord | None = None
    unkept: bool = False

    @classmethod
    def from_json(cls, data: Any) -> Manifest:
        """The manifest that a file's JSON is.

        Raises:
            ValueError: what is wrong with it, in one line.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ValueError(problems(error)) from error

    def to_json(self) -> dict[str, Any]:
        """As dicts and lists that JSON can hold."""
        return self.model_dump(mode="json")

    def measured(self, cost: CostRecord) -> Manifest:
        """With what the method costs."""
        return self.model_copy(update={"method": self.method.model_copy(update={"cost": cost})})

    def computed_from(self, exported: ExportedRecord) -> Manifest:
        """With what is computed otherwise than by torch as it is."""
        return self.model_copy(update={"method": self.method.model_copy(update={"exported": exported})})

    def failed(self, error: str, details: str | None, weights: str | None) -> Manifest:
        """That of a method which can't run.

        Args:
            weights: what the user asked for: it may not have been found.
        """
        method = self.method.model_copy(update={"weights": weights})
        return self.model_copy(update={"method": method, "error": error, "error_details": details})

    def computed(
        self,
        when: str,
        environment: EnvironmentRecord,
        request: Request,
        command: str,
        metrics: Mapping[str, MetricRecord],
    ) -> Manifest:
        """With what has computed numbers just now."""
        update = {"updated": when, "environment": environment, "request": request, "command": command}
        return self.model_copy(update=update).with_metrics(metrics)

    def continuing(self, earlier: Manifest) -> Manifest:
        """That of a run which goes on with an earlier result.

        What computed the numbers stays on record until this run computes some itself; what cards say to people is no
        part of the fingerprint, and may be better now.
        """
        kept = {name: getattr(earlier, name) for name in _KEPT}
        method = self.method.model_copy(update={"cost": earlier.method.cost, "exported": earlier.method.exported})
        return self.model_copy(update={**kept, "method": method}).with_metrics(self.metrics)

    def asked_for(self, order: int, tag: str | None) -> Manifest:
        """With its place among the results, and the name that the run gives it."""
        tags = self.tags if tag is None else (*(other for other in self.tags if other != tag), tag)
        return self.model_copy(update={"order": order, "tags": tags})

    def with_metrics(self, described: Mapping[str, MetricRecord]) -> Manifest:
        """With more known of metrics; what is known already stays where nothing newer is said."""
        metrics = dict(self.metrics)
        for key, metric in described.items():
            metrics[key] = metrics[key].completed(metric) if key in metrics else metric
        return self.model_copy(update={"metrics": metrics})
