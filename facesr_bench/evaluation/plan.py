"""One method on one protocol, before anything is computed: its result folder, and what is missing in it.

Everything that can change a number is in the fingerprint, and the fingerprint is the folder's name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

from facesr_bench import weights
from facesr_bench.base import environment, hashing
from facesr_bench.base.devices import torch_device
from facesr_bench.base.errors import FaceSRBenchError, MethodError, ResultsError
from facesr_bench.base.files import file_name, inside, make_folders
from facesr_bench.base.grammar import Spec
from facesr_bench.base.hashing import canonical, check_unchanged, digest
from facesr_bench.base.memo import Memo
from facesr_bench.base.suggest import expanded, is_path
from facesr_bench.data.protocols import Datasets, aligned_protocols, catalogue, find_protocol
from facesr_bench.evaluation import adoption, backend, set_metrics
from facesr_bench.evaluation.inputs import Source, open_source
from facesr_bench.evaluation.job import Facts, Job
from facesr_bench.evaluation.metrics import Setup, find_metrics, profile_for
from facesr_bench.evaluation.missing import missing, refuse_unkept
from facesr_bench.evaluation.outdated import set_aside
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.plugins.argument import Argument
from facesr_bench.plugins.cards import DatasetCard, MethodCard, ProtocolCard
from facesr_bench.plugins.degradation import degradation_of
from facesr_bench.plugins.degradation import identity as degradation_identity
from facesr_bench.plugins.metric import AnyMetric
from facesr_bench.plugins.profile import Profile
from facesr_bench.plugins.registry import Plugin
from facesr_bench.plugins.sidecar import Stated
from facesr_bench.plugins.spec import MethodSpec, parse_metric
from facesr_bench.results import training
from facesr_bench.results.arrays import References
from facesr_bench.results.checks import DamagedError
from facesr_bench.results.locks import ResultLock, taken
from facesr_bench.results.record import (
    CostRecord,
    DataRecord,
    DatasetRecord,
    EnvironmentRecord,
    Manifest,
    MethodRecord,
    MetricRecord,
    PaperRecord,
    ProfileRecord,
    ProtocolRecord,
    Request,
)
from facesr_bench.results.samples import SAMPLES, read_samples
from facesr_bench.results.store import MANIFEST, Result, next_order, open_result

_PROTOCOLS_NAMED = 5
"""How many protocols of aligned faces an error names."""


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


@dataclass
class Entry:
    """One method on one protocol.

    Attributes:
        spec: the method, as the user wrote it.
        todo: image id -> `run` (the method is needed) or `score` (its image is on disk).
        weights_path: its checkpoint, verified.
        network: see `Job.network`.
        mended: what was damaged in the result, or made by code edited since, and is computed anew: a text each.
        lock: of the result, held until the run is done with it.
    """

    spec: MethodSpec
    result: Result
    todo: dict[str, str]
    weights_path: Path | None
    mended: Sequence[str] = ()
    lock: ResultLock | None = None
    network: Path | None = None

    def job(self, setting: Setting, attended: Collection[str]) -> Job:
        """What is to be done of it."""
        todo = tuple(self.todo.items())
        kept = frozenset(attended)
        return Job(
            *(setting.options, setting.card.name, self.spec.text, self.weights_path, self.result.folder, todo, kept),
            network=self.network,
        )

    def learned(self, setting: Setting, facts: Facts) -> None:
        """Write into the manifest what has computed this run's numbers, and what the method costs.

        Raises:
            ResultsError: it can't be written.
        """
        machine = EnvironmentRecord.model_validate(facts.environment)
        # Metrics may know more of themselves once their networks are open.
        metrics = _records(setting, facts.metrics)
        request, command = _request(setting, self.spec), environment.command_line()
        manifest = self.result.manifest.computed(_now(), machine, request, command, metrics)
        if facts.cost is not None:
            manifest = manifest.measured(CostRecord.model_validate(facts.cost))
        self.result.manifest = manifest
        self.result.save_manifest()


@dataclass(frozen=True)
class Failure:
    """A method that can't run on a protocol at all.

    Attributes:
        result: keeps its row in every table, with the reason; None where not even its card can be read.
    """

    label: str
    error: FaceSRBenchError
    result: Result | None


def inputs_of(plugin: Plugin[DatasetCard], card: ProtocolCard) -> dict[str, Any]:
    """What decides the images that methods get, beside the data itself."""
    return {"protocol": canonical(card), "dataset_code": plugin.code_hash(), **_degradation_identity(plugin, card)}


def _degradation_identity(plugin: Plugin[DatasetCard], card: ProtocolCard) -> dict[str, Any]:
    """What tells the LR images of a degradation from those of another of its name; nothing where LR is given."""
    how = degradation_of(card, plugin)
    return {} if how is None else degradation_identity(how)


def references_of(result: Result) -> References:
    """Where arrays that depend on the ground truth alone are kept, beside the images that methods get."""
    return References(result.inputs_folder / "references")


def open_entry(
    setting: Setting, spec: MethodSpec, chosen: Sequence[str], *, busy: Callable[[str], bool] = lambda _: False
) -> Entry | Failure:
    """The result folder of one method, locked, and what is missing in it.

    Args:
        chosen: ids of the images that the run is about.
        busy: told who works on it, where that is another run; whether to wait for it.

    Raises:
        BusyError: another run works on it.
        ResultsError: the folder can't be read or written.
    """
    label = backend.label(spec, Path(spec.weights).name if spec.weights else None, setting.options)
    lock: ResultLock | None = None
    entry: Entry | None = None
    try:
        if spec.argument is None:  # said before anybody is sent to fetch weights that would be refused then
            _refuse_unaligned(setting, spec.plugin.require_card())
        found = weights.resolve_method(spec.plugin, spec.weights)
        label = backend.label(spec, found.name if found else None, setting.options)
        argument = spec.opened()
        backend.refuse(argument.card if argument else spec.plugin.require_card(), setting)
        if argument is not None:
            _refuse_unaligned(setting, argument.card)
        code = spec.plugin.code_hash()
        folder = _folder_of(setting, spec, argument, found, label, code)
        lock = taken(setting.options.out, folder, busy)
        result, mended = _open_result(setting, spec, argument, found, label, folder, code)
        again = setting.options.resume != "always"
        todo = missing(
            result, setting.metrics, chosen, references_of(result), failures_too=again, prepared=setting.prepared
        )
        if todo:
            refuse_unkept(result, todo)
            if setting.options.keep == "none":
                result.leave_out_pictures()
            _check_checkpoints(spec.plugin, found)
        network = backend.prepare(setting, spec, result) if todo else None
        entry = Entry(spec, result, todo, found.path if found else None, mended, lock, network)
    except ResultsError:
        raise
    except FaceSRBenchError as error:
        failed = failed_result(setting, spec, label, str(error), getattr(error, "details", "") or None)
        return Failure(label, error, failed)
    finally:
        if entry is None and lock is not None:
            lock.release()
    return entry


def _unaligned(setting: Setting, card: MethodCard) -> bool:
    """True if the method needs FFHQ-aligned faces and the protocol does not promise them."""
    return card.needs_ffhq_alignment and setting.card.aligned != "ffhq"


def _refuse_unaligned(setting: Setting, card: MethodCard) -> None:
    if _unaligned(setting, card) and not setting.options.assume_aligned:
        known = aligned_protocols(setting.datasets)
        shown = ", ".join(known[:_PROTOCOLS_NAMED])
        more = len(known) - _PROTOCOLS_NAMED
        raise MethodError(
            f"{card.title if card.takes_argument else card.name} needs faces aligned as in FFHQ, and "
            f"{setting.card.name} does not promise them; if your data is aligned: --assume-aligned. "
            f"Protocols of aligned faces: {shown}{f' and {more} more' if more > 0 else ''}"
        )


def _folder_of(
    setting: Setting, spec: MethodSpec, argument: Argument | None, found: weights.Weights | None, label: str, code: str
) -> Path:
    """The result folder of this exact configuration, which need not exist."""
    weights_hash = found.sha256 if found else _loose_weights(spec.plugin)
    argument_hash = argument.sha256 if argument else None
    key = result_fingerprint(setting, spec.plugin.name, code, weights_hash, argument_hash)
    return inside(setting.root.parent, f"{setting.root.name}/{file_name(label)}/{key}")


def _open_result(
    setting: Setting,
    spec: MethodSpec,
    argument: Argument | None,
    found: weights.Weights | None,
    label: str,
    folder: Path,
    code: str,
) -> tuple[Result, list[str]]:
    """Open or create the result folder of this exact configuration; and what was damaged in it."""
    weights_hash = found.sha256 if found else _loose_weights(spec.plugin)
    manifest = _manifest(setting, spec, argument, found, label, folder.name, code)
    # Schema 1 knew no arguments, and no backends.
    if spec.argument is None and setting.options.backend == backend.TORCH and not folder.exists():
        adoption.adopt(setting, spec.plugin, weights_hash, folder)
    result, mended = _continued(folder, manifest, setting.metrics)
    order = next_order(setting.options.out, folder)
    result.manifest = result.manifest.asked_for(order, setting.options.tag)
    make_folders(folder / "sr", folder / "maps", result.inputs_folder / "lr", result.inputs_folder / "hr")
    if setting.options.resume == "never":
        result.clear()
    result.save_manifest()
    if found is not None and found.logs:
        training.of_logs(found.logs).save(result.folder)
    return result, mended


def _continued(folder: Path, manifest: Manifest, metrics: Sequence[AnyMetric]) -> tuple[Result, list[str]]:
    """The result that is there already, with what was damaged in it; or a new one."""
    if not (folder / MANIFEST).exists():
        return Result(folder, manifest), []
    try:
        result = open_result(folder)
    except DamagedError:  # what computed its numbers is not known any more
        result = Result(folder, manifest)
        result.clear()
        return result, [f"{MANIFEST} was damaged; all is computed anew, the old lines are kept beside the new"]
    mended = result.mend()
    mended += set_aside(result, metrics, references_of(result))  # before the manifest says what they are now
    result.manifest = manifest.continuing(result.manifest)
    return result, mended


def failed_result(setting: Setting, spec: MethodSpec, label: str, message: str, details: str | None) -> Result | None:
    """The record of a method that can't run, with the reason; None where not even its card can be read.

    Raises:
        ResultsError: it can't be written.
    """
    if spec.plugin.card is None:
        return None
    manifest = _manifest(setting, spec, None, None, label, "failed", _code_hash(spec))
    manifest = manifest.failed(message, details, spec.weights or spec.plugin.card.default_weights)
    folder = setting.root / file_name(label) / "failed"
    order = next_order(setting.options.out, folder)
    result = Result(folder, manifest.asked_for(order, setting.options.tag))
    result.save_manifest()
    return result


def result_fingerprint(
    setting: Setting, method: str, code: str, weights_hash: str | None, argument: str | None = None
) -> str:
    """What names a result.

    Args:
        code: the hash of the method's code and of what its card decides.
        weights_hash: of the checkpoint, or of what a method opens by itself.
        argument: a hash of what followed the method's colon, or None.
    """
    # The metrics are not part of it: each line carries the version of each of its values, so that a metric added
    # later is computed from the saved images. `inputs` covers the data, the protocol and the dataset's code.
    return hashing.fingerprint(
        {
            "method": method,
            "code": code,
            "weights": weights_hash,
            "precision": setting.options.precision,
            "inputs": setting.data.inputs,
            "profile": canonical(setting.profile),
            **({} if argument is None else {"argument": argument}),
            **({} if setting.options.backend == backend.TORCH else {"backend": setting.options.backend}),
        }
    )


def _loose_weights(plugin: Plugin[MethodCard]) -> str | None:
    """A hash of the checkpoints that a method without named weights may open by itself; None if it has none."""
    files = {path.relative_to(plugin.folder).as_posix(): digest(path) for path in plugin.loose_weights()}
    return hashing.fingerprint(files, pipeline=1) if files else None


def _check_checkpoints(plugin: Plugin[MethodCard], found: weights.Weights | None) -> None:
    """Read again what is to be computed with, and what the result was named after without.

    Raises:
        WeightsError: a file has changed behind its size and date.
    """
    named = {found.path: found.sha256} if found else {path: digest(path) for path in plugin.loose_weights()}
    for path, sha256 in named.items():
        check_unchanged(path, sha256)


def _manifest(
    setting: Setting,
    spec: MethodSpec,
    argument: Argument | None,
    found: weights.Weights | None,
    label: str,
    key: str,
    code: str | None,
) -> Manifest:
    method = argument.card if argument else spec.plugin.require_card()
    stated = argument.stated if argument else Stated()
    dataset = setting.plugin.require_card()
    now = _now()
    return Manifest(
        fingerprint=key,
        definition=setting.definition,
        created=now,
        updated=now,
        protocol=ProtocolRecord.model_validate(setting.card.model_dump(mode="json")),
        dataset=DatasetRecord(name=dataset.name, title=dataset.title, licence=dataset.licence),
        data=setting.data,
        profile=ProfileRecord.model_validate(setting.profile.canonical()),
        method=MethodRecord(
            name=method.name,
            title=method.title,
            summary=method.summary,
            label=label,
            weights=found.name if found else stated.weights,
            weights_sha256=found.sha256 if found else None,
            training_data=found.training_data if found else stated.training_data,
            precision=setting.options.precision,
            parameters=method.parameters,
            licence=method.licence,
            paper=PaperRecord.model_validate(method.paper.model_dump(mode="json")) if method.paper else None,
            code=method.code,
            code_hash=code,
            interpolates=method.interpolates,
            assumed_aligned=_unaligned(setting, method) and setting.options.assume_aligned,
            argument=argument.text if argument else None,
            argument_sha256=argument.sha256 if argument else None,
            reported_ms=stated.milliseconds,
            reported_on=stated.measured_on,
            time_includes=method.time_includes,
            remarks=argument.remarks(setting.source.items.keys()) if argument else (),
            deterministic=method.deterministic,
            seed=method.seed,
            backend=setting.options.backend,
        ),
        environment=_environment(setting.device),
        request=_request(setting, spec),
        command=environment.command_line(),
        metrics=_records(setting, {metric.key: metric.describe() for metric in setting.metrics}),
        error=None,
    )


def _request(setting: Setting, spec: MethodSpec) -> Request:
    """What was asked for, as far as it is about one method on one protocol."""
    asked = setting.options
    return Request(
        methods=(spec.text,),
        protocols=(_protocol_as_asked(setting),),
        options=asked.recorded(),
        data=tuple(name for name in asked.data if name in {setting.card.name, setting.plugin.name}),
    )


def _protocol_as_asked(setting: Setting) -> str:
    """Its name, or `FOLDER:NAME` for one of a dataset that the user gave as a folder."""
    for text in setting.options.protocols:
        folder = text.partition(":")[0]
        if is_path(text) and expanded(folder).resolve() == setting.plugin.folder.resolve():
            return f"{folder}:{setting.card.name}"
    return setting.card.name


def _environment(device: str) -> EnvironmentRecord:
    return EnvironmentRecord.model_validate(environment.environment(device))


def _records(setting: Setting, described: Mapping[str, Mapping[str, Any]]) -> dict[str, MetricRecord]:
    """What metrics say of themselves; those of the user's own folders are asked for as they were now."""
    asked = setting.options.metrics or setting.card.metrics  # two names may mean one metric
    paths = {parse_metric(text).typed: text for text in asked if is_path(Spec.parse(text).name)}
    typed = {metric.key: metric.context.typed for metric in setting.metrics}
    folders = {key: {"typed": paths[name]} for key, name in typed.items() if name in paths}
    return {key: MetricRecord.model_validate({**said, **folders.get(key, {})}) for key, said in described.items()}


def _code_hash(spec: MethodSpec) -> str | None:
    """None for code that can't be read: where that is why the method can't run, its record must still be written."""
    try:
        return spec.plugin.code_hash()
    except FaceSRBenchError:
        return None


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")
