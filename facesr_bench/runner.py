"""`facesr-bench run`: every method on every protocol, each image read once, resumable, nothing lost.

dataset -> protocol (crop, degrade) -> method -> quantise -> metrics -> store
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Literal

from facesr_bench import cost, provenance, weights
from facesr_bench.cards import DatasetCard, ProtocolCard
from facesr_bench.data import check_names, expand_protocols, find_protocol, open_dataset
from facesr_bench.dataset import DatasetBase, Item
from facesr_bench.errors import FaceSRBenchError, PluginError, ResultsError
from facesr_bench.method import PRECISIONS, MethodBase, make_method
from facesr_bench.metric import MetricBase
from facesr_bench.metrics.profiles import Profile, get_profile
from facesr_bench.pipeline import Loaded, load_item, saved_output, score_image, score_output, upscale
from facesr_bench.plugins import Plugin
from facesr_bench.scoring import load_metric_or_reason, parse_metric
from facesr_bench.selection import MethodSpec, parse_method
from facesr_bench.store import MANIFEST, SCHEMA, ImageRow, Result, file_name, open_result

Resume = Literal["only-missing", "never", "always"]
LOADERS = 2
"""Threads that read and prepare images, and as many that score and write."""


@dataclass(frozen=True)
class Options:
    """What a run was asked for.

    Attributes:
        resume: `only-missing` computes what has no result yet, failures included; `always` also takes earlier failures
            as final; `never` computes everything anew (the old lines are kept beside the new).
        profile: overrides the protocol's; metrics: likewise.
        batch_size: images per call of a method; none: 8 on a CPU, 16 on a GPU.
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
        _torch_device(options.device)  # told before any work is done
    if options.limit is not None and options.limit < 1:
        raise FaceSRBenchError(f"limit {options.limit}: it must be at least 1")
    if options.batch_size is not None and options.batch_size < 1:
        raise FaceSRBenchError(f"batch size {options.batch_size}: it must be at least 1")
    _check_writable(options.out)
    report = Report()
    for plugin, card in found:
        try:
            _ProtocolRun(options, specs, plugin, card, progress or Progress(), report).run()
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
    ) -> None:
        self.options, self.specs, self.progress, self.report = options, specs, progress, report
        self.plugin, self.card = plugin, card
        self.profile: Profile = get_profile(options.profile or card.profile)
        names = options.metrics or card.metrics
        self.metrics: list[MetricBase] = [load_metric_or_reason(name, self.profile, card.scale) for name in names]
        self.root = options.out / file_name(card.name)

    def run(self) -> None:
        try:
            dataset, _ = open_dataset(self.card.name, self.options.data)
            items = dataset.items(self.card)
            self.data = {"hash": dataset.content_hash(items), "count": len(items)}
        except FaceSRBenchError:
            raise
        except Exception as error:  # a stranger's dataset may raise anything; it costs its own protocols
            message = f"dataset {self.plugin.name} can't list its images: {type(error).__name__}: {error}"
            raise PluginError(message, traceback.format_exc()) from error
        chosen = list(items[: self.options.limit])
        entries = [entry for spec in self.specs if (entry := self._open(spec, chosen)) is not None]
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
                    }
                    entry.result.manifest.update(computed_by)
                    entry.result.save_manifest()

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
        return _torch_device(self.options.device)

    def _result(self, spec: MethodSpec, found: weights.Weights | None, label: str) -> Result:
        """Open or create the result folder of this exact configuration."""
        key = self._fingerprint(spec, found)
        folder = self.root / file_name(label) / key
        manifest = self._manifest(spec, found, label, key)
        if (folder / MANIFEST).exists():
            # What computed the numbers stays on record until this run computes some itself.
            earlier = open_result(folder).manifest
            metrics = {**earlier["metrics"], **manifest["metrics"]}
            manifest = {**earlier, "metrics": metrics, "updated": manifest["updated"]}
        result = Result(folder, manifest)
        _make_folders(folder / "sr", folder / "maps", result.inputs_folder / "lr", result.inputs_folder / "hr")
        if self.options.resume == "never":
            result.clear()
        result.save_manifest()
        return result

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
                "protocol": self.card.model_dump(
                    mode="json", exclude={"metrics", "summary", "expected_count", "profile"}
                ),
                "dataset_code": self.plugin.code_hash(),
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
            "metrics": {
                metric.key: {
                    **metric.card.model_dump(mode="json", include={"unit", "higher_is_better", "digits", "version"}),
                    "title": _title(metric),
                    "weights": metric.weights.name if metric.weights else None,
                    "weights_sha256": metric.weights.sha256 if metric.weights else None,
                }
                for metric in self.metrics
            },
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
            elif any(self._is_missing(row, metric) for metric in self.metrics):
                todo[item.id] = "score" if result.sr_path(item.id).is_file() else "run"
        return todo

    def _is_missing(self, row: ImageRow, metric: MetricBase) -> bool:
        known = metric.key in row.metrics or metric.key in row.reasons
        if metric.unavailable is not None:
            return not known
        return not known or row.versions.get(metric.key) != metric.card.version

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
        inputs = entries[0].result.inputs_folder
        # Beside a GPU, reading and scoring go on while it works. A network on the CPU needs the same cores: there the
        # three take turns, so that a method's milliseconds are its own.
        overlap = self._device().startswith("cuda")
        size = self.options.batch_size or (16 if overlap else 8)
        with ThreadPoolExecutor(LOADERS) as loaders, ThreadPoolExecutor(LOADERS) as scorers:
            pending: list[tuple[_Entry, Future[ImageRow]]] = []
            for batch in self._batches(loaders, dataset, items, inputs, size, ahead=2 if overlap else 0):
                started: list[tuple[_Entry, Future[ImageRow]]] = []
                for entry in entries:
                    started += [(entry, future) for future in self._submit(scorers, entry, batch)]
                    if not overlap:
                        self._finish(started)
                        started = []
                self._finish(pending)  # scored while this batch was upscaled
                pending = started
            self._finish(pending)

    def _batches(
        self,
        loaders: ThreadPoolExecutor,
        dataset: DatasetBase,
        items: Sequence[Item],
        inputs: Path,
        size: int,
        ahead: int,
    ) -> Iterator[list[Loaded]]:
        """Prepared samples in batches of `size`, read `ahead` batches early and never more."""
        waiting: list[list[Future[Loaded]]] = []
        for start in range(0, len(items), size):
            chunk = items[start : start + size]
            waiting.append(
                [loaders.submit(load_item, dataset, item, self.card, self.metrics, inputs) for item in chunk]
            )
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
                yield scorers.submit(score_image, sr, loaded, self.metrics)
            else:
                to_run.append(loaded)
        if to_run:
            try:
                entry.method = entry.method or self._load(entry)  # not loaded yet if a saved image can't be read
            except FaceSRBenchError as error:
                yield from (_done(ImageRow(loaded.id, error=str(error))) for loaded in to_run)
                return
            outputs = upscale(entry.method, to_run)
            for output, loaded in zip(outputs, to_run, strict=True):
                yield scorers.submit(score_output, output, loaded, self.metrics, entry.result, self.profile.quantise)

    def _finish(self, pending: Sequence[tuple[_Entry, Future[ImageRow]]]) -> None:
        for entry, future in pending:
            row = future.result()
            entry.result.append(row)
            self.report.computed += 1
            label = entry.result.label
            if row.error is not None:
                self.report.problems.append(f"{self.card.name}, {label}, image {row.id}: {row.error}")
            self.progress.advance(label)


def _done(row: ImageRow) -> Future[ImageRow]:
    future: Future[ImageRow] = Future()
    future.set_result(row)
    return future


def _torch_device(wanted: str) -> str:
    """The device that `wanted` means, with torch set up so that a number does not depend on the device.

    Raises:
        FaceSRBenchError: torch can't use that device here.
    """
    import torch

    # tf32 keeps only 10 bits of each factor.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda"):
        number = int(wanted.partition(":")[2] or 0)
        if number >= torch.cuda.device_count():
            there = torch.cuda.device_count()
            raise FaceSRBenchError(f"device {wanted}: torch sees {there} CUDA device(s) here; use --device cpu")
    return wanted


def _title(metric: MetricBase) -> str:
    """What tables call the metric: its title, and its network where that is not the default."""
    variant = metric.key.removeprefix(metric.card.name).removeprefix("@").partition(":")[0]
    return f"{metric.card.title} ({variant})" if variant else metric.card.title


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
