"""`facesr-bench run`: every method on every protocol, each image read once, resumable, nothing lost.

dataset -> protocol (crop, degrade) -> method -> quantise -> metrics -> store
"""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Literal

from facesr_bench import attention, cost, provenance, sets, weights
from facesr_bench.cards import DatasetCard, ProtocolCard
from facesr_bench.data import check_names, expand_protocols, find_protocol, open_dataset
from facesr_bench.dataset import DatasetBase, Item
from facesr_bench.devices import torch_device
from facesr_bench.errors import FaceSRBenchError, PluginError, ResultsError
from facesr_bench.method import PRECISIONS, MethodBase, make_method
from facesr_bench.metric import MetricBase, ReferenceSet, SetMetric
from facesr_bench.metrics.profiles import Profile, get_profile
from facesr_bench.pipeline import Loaded, load_item, saved_output, score_image, score_output, upscale
from facesr_bench.plugins import Plugin
from facesr_bench.references import References
from facesr_bench.scoring import load_metric_or_reason, parse_metric
from facesr_bench.selection import MethodSpec, parse_method
from facesr_bench.store import LANDMARKS, MANIFEST, SCHEMA, ImageRow, Result, file_name, open_result, write_json

Resume = Literal["only-missing", "never", "always"]


@dataclass(frozen=True)
class Options:
    """What a run was asked for.

    Attributes:
        resume: `only-missing` computes what has no result yet, failures included; `always` also takes earlier failures
            as final; `never` computes everything anew (the old lines are kept beside the new).
        profile: overrides the protocol's; metrics: likewise.
        batch_size: images per call of a method; none: 8 on a CPU, 16 on a GPU.
        attention: keep the attention maps of so many images of each protocol, from methods that offer them.
        workers: threads that read and prepare images, and as many that score and write; no number depends on it.
        fid_reference: name and file of the statistics that FID compares with, in place of the protocol's own HR images.
    """

    methods: tuple[str, ...]
    protocols: tuple[str, ...]
    data: Mapping[str, Path] = field(default_factory=dict)
    limit: int | None = None
    out: Path = Path("results")
    device: str = "auto"
    batch_size: int | None = None
    resume: Resume = "only-missing"
    precision: str = "fp32"
    profile: str | None = None
    metrics: tuple[str, ...] | None = None
    attention: int = attention.FIRST
    workers: int = 2
    fid_reference: tuple[str, Path] | None = None


@dataclass
class Report:
    """What a run did.

    Attributes:
        results: one per (protocol, method) that could be started, in the order asked for.
        computed: images upscaled or scored in this run.
        problems: one line per protocol, method or image that failed.
    """

    results: list[Result] = field(default_factory=list)
    computed: int = 0
    problems: list[str] = field(default_factory=list)


class Progress:
    """Told how far a run is; the command line shows a bar, Python shows nothing."""

    def start(self, protocol: str, total: int) -> None:
        """A protocol begins; `total` images times methods are to be computed."""

    def advance(self, method: str) -> None:
        """One image of one method is done."""


@dataclass
class _Entry:
    """One method on one protocol."""

    spec: MethodSpec
    result: Result
    todo: dict[str, str]  # image id -> `run` (the method is needed) or `score` (its image is on disk)
    weights_path: Path | None
    method: MethodBase | None = None


def run(options: Options, progress: Progress | None = None) -> Report:
    """Run methods on protocols.

    Failures of one protocol, method or image are collected in the report and take nothing else down.

    Raises:
        FaceSRBenchError: nothing can be run at all: unknown method, protocol, profile or metric, or the output folder
            can't be written.
    """
    specs = [parse_method(method) for method in options.methods]
    found = [find_protocol(name) for name in expand_protocols(options.protocols)]
    if not specs or not found:
        raise FaceSRBenchError("give at least one method and one protocol")
    check_names(options.data)  # wrong names are told before any work is done
    for _, card in found:
        get_profile(options.profile or card.profile)
        for name in options.metrics or card.metrics:
            parse_metric(name)
    if options.precision not in PRECISIONS:
        raise FaceSRBenchError(f"precision {options.precision!r}: it must be one of {', '.join(PRECISIONS)}")
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", options.device):
        raise FaceSRBenchError(f"device {options.device!r}: it must be auto, cpu, cuda, or cuda:N")
    if options.device.startswith("cuda"):
        torch_device(options.device)  # told before any work is done
    if options.limit is not None and options.limit < 1:
        raise FaceSRBenchError(f"limit {options.limit}: it must be at least 1")
    if options.workers < 1:
        raise FaceSRBenchError(f"workers {options.workers}: it must be at least 1")
    reference = sets.read_reference(*options.fid_reference) if options.fid_reference else None
    if options.batch_size is not None and options.batch_size < 1:
        raise FaceSRBenchError(f"batch size {options.batch_size}: it must be at least 1")
    _check_writable(options.out)
    report = Report()
    for plugin, card in found:
        try:
            _ProtocolRun(options, specs, plugin, card, progress or Progress(), report, reference).run()
        except ResultsError:
            raise  # a run that can't save is a failed run
        except FaceSRBenchError as error:
            report.problems.append(f"{card.name}: {error}")
    return report


class _ProtocolRun:
    """All methods on one protocol."""

    def __init__(
        self,
        options: Options,
        specs: Sequence[MethodSpec],
        plugin: Plugin[DatasetCard],
        card: ProtocolCard,
        progress: Progress,
        report: Report,
        reference: ReferenceSet | None,
    ) -> None:
        self.options, self.specs, self.progress, self.report = options, specs, progress, report
        self.plugin, self.card = plugin, card
        self.profile: Profile = get_profile(options.profile or card.profile)
        names = options.metrics or card.metrics
        self.metrics: list[MetricBase] = [load_metric_or_reason(name, self.profile, card.scale) for name in names]
        for metric in self.metrics:
            metric.device = self._device()
            if isinstance(metric, SetMetric):
                sets.compare_with(metric, reference)
        self.root = options.out / file_name(card.name)

    def run(self) -> None:
        try:
            dataset, _ = open_dataset(self.card.name, self.options.data)
            items = dataset.items(self.card)
            content = dataset.content_hash(items)
            inputs = provenance.fingerprint({"data": content, **self._inputs()})
            self.data = {"hash": content, "count": len(items), "inputs": inputs}
        except FaceSRBenchError:
            raise
        except Exception as error:  # a stranger's dataset may raise anything; it costs its own protocols
            message = f"dataset {self.plugin.name} can't list its images: {type(error).__name__}: {error}"
            raise PluginError(message, traceback.format_exc()) from error
        chosen = list(items[: self.options.limit])
        self.attended = {item.id for item in chosen[: max(0, self.options.attention)]}
        entries = [entry for spec in self.specs if (entry := self._open(spec, chosen)) is not None]
        if not entries:
            return
        wanted = {image_id for entry in entries for image_id in entry.todo}
        self.progress.start(self.card.name, sum(len(entry.todo) for entry in entries))
        try:
            if wanted:
                self._load_metrics()
                self._compute(dataset, [item for item in chosen if item.id in wanted], entries)
        finally:
            for entry in entries:
                entry.result.close()
                if entry.todo:
                    computed_by = {
                        "updated": _now(),
                        "environment": provenance.environment(self._device()),
                        "command": provenance.command_line(),
                        # Some know more of themselves once their networks are open.
                        "metrics": _merged(
                            entry.result.manifest["metrics"], {metric.key: metric.describe() for metric in self.metrics}
                        ),
                    }
                    entry.result.manifest.update(computed_by)
                    entry.result.save_manifest()
        set_metrics = [metric for metric in self.metrics if metric.card.of == "set"]
        for entry in entries:
            sets.update(entry.result, set_metrics, self._references(entry.result))

    # -- opening results ---------------------------------------------------------------------------------------------

    def _open(self, spec: MethodSpec, chosen: Sequence[Item]) -> _Entry | None:
        """The result folder of one method, what is missing in it, and the method itself if that must run."""
        label = _label(spec, Path(spec.weights).name if spec.weights else None, self.options.precision)
        try:
            found = weights.resolve(spec.plugin, spec.weights)
            label = _label(spec, found.name if found else None, self.options.precision)
            result = self._result(spec, found, label)
            entry = _Entry(spec, result, self._todo(result, chosen), found.path if found else None)
            if "run" in entry.todo.values():
                entry.method = self._load(entry)
        except ResultsError:
            raise
        except FaceSRBenchError as error:
            self._record_failure(spec, label, error)
            return None
        self.report.results.append(result)
        return entry

    def _load(self, entry: _Entry) -> MethodBase:
        card = entry.spec.plugin.require_card()
        device = self._device()
        try:
            method = make_method(entry.spec.plugin.load_class(), card)
            load = partial(
                method.load,
                weights=entry.weights_path,
                device=device,
                precision=self.options.precision,
                scale=self.card.scale,
            )
            entry.result.manifest["method"]["cost"] = cost.load_measured(method, load, self.card, device)
        except FaceSRBenchError:
            raise
        except Exception as error:  # a stranger's method may raise anything
            message = f"{card.name} can't be loaded: {type(error).__name__}: {error}"
            raise PluginError(message, traceback.format_exc()) from error
        return method

    def _device(self) -> str:
        return torch_device(self.options.device)

    def _result(self, spec: MethodSpec, found: weights.Weights | None, label: str) -> Result:
        """Open or create the result folder of this exact configuration."""
        key = self._fingerprint(spec, found)
        folder = self.root / file_name(label) / key
        manifest = self._manifest(spec, found, label, key)
        if (folder / MANIFEST).exists():
            # What computed the numbers stays on record until this run computes some itself.
            earlier = open_result(folder).manifest
            metrics = _merged(earlier["metrics"], manifest["metrics"])
            manifest = {**earlier, "metrics": metrics, "updated": manifest["updated"]}
        result = Result(folder, manifest)
        _make_folders(folder / "sr", folder / "maps", result.inputs_folder / "lr", result.inputs_folder / "hr")
        if self.options.resume == "never":
            result.clear()
        result.save_manifest()
        return result

    def _inputs(self) -> dict[str, Any]:
        """What decides the images that methods get, beside the data itself."""
        prose = {"metrics", "summary", "expected_count", "profile"}
        return {
            "protocol": self.card.model_dump(mode="json", exclude=prose),
            "dataset_code": self.plugin.code_hash(),
        }

    def _references(self, result: Result) -> References:
        return References(result.inputs_folder / "references")

    def _fingerprint(self, spec: MethodSpec, found: weights.Weights | None) -> str:
        # The metrics are not part of it: each line carries the version of each of its values, so that a metric added
        # later is computed from the saved images.
        return provenance.fingerprint(
            {
                "schema": SCHEMA,
                "method": spec.plugin.name,
                "code": spec.plugin.code_hash(),
                "weights": found.sha256 if found else None,
                "precision": self.options.precision,
                **self._inputs(),
                "data": self.data["hash"],
                "profile": self.profile.model_dump(mode="json", exclude={"summary", "source"}),
            }
        )

    def _manifest(self, spec: MethodSpec, found: weights.Weights | None, label: str, key: str) -> dict[str, Any]:
        method = spec.plugin.require_card()
        dataset = self.plugin.require_card()
        now = _now()
        return {
            "schema_version": SCHEMA,
            "fingerprint": key,
            "created": now,
            "updated": now,
            "protocol": self.card.model_dump(mode="json"),
            "dataset": {"name": dataset.name, "title": dataset.title, "licence": dataset.licence},
            "data": self.data,
            "profile": self.profile.model_dump(mode="json"),
            "method": {
                "name": method.name,
                "title": method.title,
                "summary": method.summary,
                "label": label,
                "weights": found.name if found else None,
                "weights_sha256": found.sha256 if found else None,
                "training_data": found.training_data if found else None,
                "precision": self.options.precision,
                "parameters": method.parameters,
                "licence": method.licence,
                "paper": method.paper.model_dump(mode="json") if method.paper else None,
                "code": method.code,
                "code_hash": spec.plugin.code_hash(),
            },
            "environment": provenance.environment(self.options.device),
            "command": provenance.command_line(),
            "metrics": {metric.key: metric.describe() for metric in self.metrics},
            "error": None,
            "error_details": None,
        }

    def _todo(self, result: Result, chosen: Sequence[Item]) -> dict[str, str]:
        rows = result.rows()
        todo: dict[str, str] = {}
        for item in chosen:
            row = rows.get(item.id)
            if row is None:
                todo[item.id] = "run"
            elif row.error is not None:
                if self.options.resume != "always":
                    todo[item.id] = "run"
            elif any(self._is_missing(result, row, metric) for metric in self.metrics):
                todo[item.id] = "score" if result.sr_path(item.id).is_file() else "run"
        return todo

    def _is_missing(self, result: Result, row: ImageRow, metric: MetricBase) -> bool:
        known = metric.key in row.metrics or metric.key in row.reasons
        if isinstance(metric, SetMetric):
            if metric.unavailable is not None:
                return False  # its reason is the set's, not the image's
            known = known or result.features_path(metric.extractor, row.id).is_file()
        if metric.unavailable is not None:
            return not known
        version = row.versions.get(metric.key)
        if known and version is None and metric.troubled():
            return False
        return not known or version != metric.card.version

    def _record_failure(self, spec: MethodSpec, label: str, error: FaceSRBenchError) -> None:
        """A method that can't run keeps its row in every table, with the reason."""
        self.report.problems.append(f"{self.card.name}, {label}: {error}")
        if spec.plugin.card is None:
            return
        manifest = self._manifest(spec, None, label, "failed")
        manifest["method"]["weights"] = spec.weights or spec.plugin.card.default_weights
        manifest["error"] = str(error)
        manifest["error_details"] = getattr(error, "details", "") or None
        result = Result(self.root / file_name(label) / "failed", manifest)
        result.save_manifest()
        self.report.results.append(result)

    def _load_metrics(self) -> None:
        for metric in self.metrics:
            if metric.unavailable is None:
                try:
                    metric.load()
                except FaceSRBenchError as error:
                    metric.unavailable = str(error)
                except Exception as error:  # a stranger's metric may raise anything; it costs its own column
                    metric.unavailable = f"{type(error).__name__}: {error}"

    # -- computing ---------------------------------------------------------------------------------------------------

    def _compute(self, dataset: DatasetBase, items: Sequence[Item], entries: Sequence[_Entry]) -> None:
        result = entries[0].result
        place = self._references(result)

        def load(item: Item) -> Loaded:
            return load_item(dataset, item, self.card, self.metrics, result.inputs_folder, place)

        landmarks: dict[str, Any] = {}
        # Beside a GPU, reading and scoring go on while it works. A network on the CPU needs the same cores: there the
        # three take turns, so that a method's milliseconds are its own.
        overlap = self._device().startswith("cuda")
        size = self.options.batch_size or (16 if overlap else 8)
        workers = self.options.workers
        with ThreadPoolExecutor(workers) as loaders, ThreadPoolExecutor(workers) as scorers:
            pending: list[tuple[_Entry, Future[ImageRow]]] = []
            for batch in self._batches(loaders, load, items, size, ahead=2 if overlap else 0):
                for loaded in batch:
                    if loaded.sample is not None and loaded.sample.landmarks is not None:
                        landmarks[loaded.id] = loaded.sample.landmarks.round(3).tolist()
                started: list[tuple[_Entry, Future[ImageRow]]] = []
                for entry in entries:
                    started += [(entry, future) for future in self._submit(scorers, entry, batch)]
                    if not overlap:
                        self._finish(started)
                        started = []
                self._finish(pending)  # scored while this batch was upscaled
                pending = started
            self._finish(pending)
        if landmarks:
            _save_landmarks(result.inputs_folder / LANDMARKS, landmarks)

    def _batches(
        self, loaders: ThreadPoolExecutor, load: Callable[[Item], Loaded], items: Sequence[Item], size: int, ahead: int
    ) -> Iterator[list[Loaded]]:
        """Prepared samples in batches of `size`, read `ahead` batches early and never more."""
        waiting: list[list[Future[Loaded]]] = []
        for start in range(0, len(items), size):
            chunk = items[start : start + size]
            waiting.append([loaders.submit(load, item) for item in chunk])
            if len(waiting) > ahead:
                yield [future.result() for future in waiting.pop(0)]
        for futures in waiting:
            yield [future.result() for future in futures]

    def _submit(
        self, scorers: ThreadPoolExecutor, entry: _Entry, batch: Sequence[Loaded]
    ) -> Iterator[Future[ImageRow]]:
        """Upscale what this method still lacks of a batch; saving and scoring go to the other threads."""
        to_run: list[Loaded] = []
        for loaded in batch:
            state = entry.todo.get(loaded.id)
            if state is None:
                continue
            if loaded.error is not None:
                yield _done(ImageRow(loaded.id, error=loaded.error))
            elif state == "score" and (sr := saved_output(entry.result, loaded.id)) is not None:
                yield scorers.submit(score_image, sr, loaded, self.metrics, entry.result)
            else:
                to_run.append(loaded)
        if to_run:
            try:
                entry.method = entry.method or self._load(entry)  # not loaded yet if a saved image can't be read
            except FaceSRBenchError as error:
                yield from (_done(ImageRow(loaded.id, error=str(error))) for loaded in to_run)
                return
            outputs = upscale(entry.method, to_run)
            self._keep_attention(entry, entry.method, [loaded for loaded in to_run if loaded.id in self.attended])
            for output, loaded in zip(outputs, to_run, strict=True):
                yield scorers.submit(score_output, output, loaded, self.metrics, entry.result, self.profile.quantise)

    def _keep_attention(self, entry: _Entry, method: MethodBase, batch: Sequence[Loaded]) -> None:
        """Where the method looked, for the first images; a failure here costs no number."""
        folder = entry.result.folder / attention.FOLDER
        for loaded in batch if attention.offers_maps(method) else ():
            try:
                attention.keep(method, loaded, folder / file_name(loaded.id))
            except ResultsError:
                raise
            except Exception as error:  # a stranger's method may raise anything
                label = f"{self.card.name}, {entry.result.label}, attention maps of {loaded.id}"
                self.report.problems.append(f"{label}: {type(error).__name__}: {error}")
                return
        if batch and folder.is_dir():
            attention.write_mean(folder)

    def _finish(self, pending: Sequence[tuple[_Entry, Future[ImageRow]]]) -> None:
        for entry, future in pending:
            row = future.result()
            entry.result.append(row)
            self.report.computed += 1
            label = entry.result.label
            if row.error is not None:
                self.report.problems.append(f"{self.card.name}, {label}, image {row.id}: {row.error}")
            self.progress.advance(label)


def _merged(earlier: Mapping[str, Any], described: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of each metric; what one does not know of itself now stays as it was known."""
    metrics = dict(earlier)
    for key, fields in described.items():
        known = {name: value for name, value in fields.items() if value is not None}
        metrics[key] = {**fields, **metrics.get(key, {}), **known}
    return metrics


def _save_landmarks(path: Path, landmarks: Mapping[str, Any]) -> None:
    """Add images' points to those that earlier runs wrote."""
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        earlier = {}
    write_json(path, {**(earlier if isinstance(earlier, dict) else {}), **landmarks})


def _done(row: ImageRow) -> Future[ImageRow]:
    future: Future[ImageRow] = Future()
    future.set_result(row)
    return future


def _label(spec: MethodSpec, weights_name: str | None, precision: str) -> str:
    default = spec.plugin.card.default_weights if spec.plugin.card else None
    label = spec.plugin.name
    if weights_name is not None and weights_name != default:
        label += f"@{weights_name}"
    return label if precision == "fp32" else f"{label} ({precision})"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def _make_folders(*folders: Path) -> None:
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResultsError(f"{folder}: can't be made: {error.strerror or error}") from error


def _check_writable(out: Path) -> None:
    """Told before any work is done, not after."""
    _make_folders(out)
    probe = out / ".writable"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ResultsError(
            f"{out}: can't write there: {error.strerror or error}; choose another folder with --out"
        ) from error
