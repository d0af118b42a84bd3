"""One method on one protocol, before anything is computed: its result folder, and what is missing in it.

Everything that can change a number is in the fingerprint, and the fingerprint is the folder's name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from facesr_bench import weights
from facesr_bench.base import hashing
from facesr_bench.base.errors import FaceSRBenchError, MethodError, ResultsError
from facesr_bench.base.files import file_name, inside, make_folders
from facesr_bench.base.hashing import canonical, check_unchanged, digest
from facesr_bench.data.protocols import aligned_protocols
from facesr_bench.evaluation import adoption, backend
from facesr_bench.evaluation.job import Facts, Job
from facesr_bench.evaluation.missing import missing, refuse_unkept
from facesr_bench.evaluation.outdated import set_aside
from facesr_bench.evaluation.recorded import learned, manifest_of
from facesr_bench.evaluation.setting import Setting
from facesr_bench.plugins.argument import Argument
from facesr_bench.plugins.cards import MethodCard
from facesr_bench.plugins.metric import AnyMetric
from facesr_bench.plugins.registry import Plugin
from facesr_bench.plugins.spec import MethodSpec
from facesr_bench.results import training
from facesr_bench.results.arrays import References
from facesr_bench.results.checks import DamagedError
from facesr_bench.results.locks import ResultLock, taken
from facesr_bench.results.record import (
    Manifest,
)
from facesr_bench.results.store import MANIFEST, Result, next_order, open_result

_PROTOCOLS_NAMED = 5
"""How many protocols of aligned faces an error names."""


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
        self.result.manifest = learned(self.result.manifest, setting, self.spec, facts)
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


def _refuse_unaligned(setting: Setting, card: MethodCard) -> None:
    if setting.unaligned(card) and not setting.options.assume_aligned:
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
    manifest = manifest_of(setting, spec, argument, found, label, folder.name, code)
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
    manifest = manifest_of(setting, spec, None, None, label, "failed", _code_hash(spec))
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


def _code_hash(spec: MethodSpec) -> str | None:
    """None for code that can't be read: where that is why the method can't run, its record must still be written."""
    try:
        return spec.plugin.code_hash()
    except FaceSRBenchError:
        return None
