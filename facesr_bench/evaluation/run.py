"""`facesr-bench run`: every method on every protocol, resumable, nothing lost.

dataset -> protocol (crop, degrade) -> method -> quantise -> metrics -> store

A protocol's run is planned (what is missing of each result), done as jobs by an executor, and written by one writer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from facesr_bench.base.devices import exact_numbers
from facesr_bench.base.errors import FaceSRBenchError, MethodError, MetricError, ResultsError
from facesr_bench.base.files import check_writable
from facesr_bench.base.memo import Memo
from facesr_bench.base.process_state import baseline
from facesr_bench.base.stages import measured, stage
from facesr_bench.base.text import counted
from facesr_bench.data.protocols import expand_protocols, find_protocol
from facesr_bench.data.sources import check_names
from facesr_bench.evaluation import executors, ready, set_metrics
from facesr_bench.evaluation.executors import Executor
from facesr_bench.evaluation.job import Facts, Job
from facesr_bench.evaluation.metrics import asked_columns
from facesr_bench.evaluation.plan import Entry, Failure, failed_result, open_entry, references_of
from facesr_bench.evaluation.request import Profile, Progress, RunOutcome, RunRequest
from facesr_bench.evaluation.setting import Setting, open_setting, profile_of
from facesr_bench.plugins import registry
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.metric import AnyMetric, Unavailable
from facesr_bench.plugins.spec import check_labels, parse_method
from facesr_bench.results import lr
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.locks import BusyError, remove_partials
from facesr_bench.results.samples import SampleRecord, Samples
from facesr_bench.results.summary import summarise


def run(
    options: RunRequest, progress: Progress | None = None, executor: Callable[[Setting], Executor] | None = None
) -> RunOutcome:
    """Run methods on protocols.

    Failures of one protocol, method or image are collected in the outcome and take nothing else down.

    Args:
        executor: makes what does the jobs of a protocol; None: as the request says.

    Raises:
        FaceSRBenchError: nothing can be run at all: unknown method, protocol, profile or metric, or the output folder
            can't be written.
    """
    expanded = ready.expand(options.methods)
    by_all = frozenset(expanded).difference(options.methods)
    options = _in_full(options, expanded)
    protocols, chosen = _check(options), _executor(options.executor)
    outcome, memo, progress = RunOutcome(options.methods), Memo(), progress or Progress()
    begun = time.perf_counter()
    try:
        with exact_numbers(), baseline(), measured(options.profile_time) as stages:
            for card in protocols:
                try:
                    suited = replace(options, methods=_suited(options, by_all, card, outcome, progress))
                    with stage("plan"):
                        setting = open_setting(suited, card.name, memo)
                    _run_protocol(setting, executor or chosen, outcome, progress)
                except ResultsError:
                    raise  # a run that can't save is a failed run
                except FaceSRBenchError as error:
                    outcome.problems.append(f"{card.name}: {error}")
                    outcome.not_run[card.name] = str(error)
    finally:
        chosen.close()
    if options.profile_time:
        outcome.profile = Profile(time.perf_counter() - begun, stages.take())
    if options.metrics:
        outcome.without_number = _without_number(outcome)
    return outcome


def check(options: RunRequest) -> None:
    """Refuse what can't be run at all, before any work is done. Errors as of `run`."""
    _check(_in_full(options, ready.expand(options.methods)))


def _in_full(options: RunRequest, expanded: Sequence[str]) -> RunRequest:
    """The same, every method named with its suffix, and paths that mean the same wherever one is."""
    methods = ready.with_suffix(expanded, options.suffix)
    return replace(_anchored(options), methods=methods, suffix=None)


def _executor(name: str) -> type[Executor]:
    """The class of `executors.<name>`; the others' libraries are not loaded."""
    found: type[Executor] = getattr(import_module(f"{executors.__name__}.{name}"), name.capitalize())
    return found


def _without_number(outcome: RunOutcome) -> list[str]:
    """What of the columns asked for came out empty: a line for each protocol, column and reason."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for row in summarise(outcome.results):
        empty = [name for name in outcome.metrics.get(row.protocol, ()) if name not in row.means]
        for name in empty if row.error is None and row.n else ():
            reason = next(iter(row.reasons.get(name, {})), "not computed in this run")
            found.setdefault((row.protocol, name, reason), []).append(row.label)
    return [
        f"{protocol}: {name} has no number ({', '.join(labels)}): {reason}"
        for (protocol, name, reason), labels in found.items()
    ]


def _anchored(options: RunRequest) -> RunRequest:
    """The same, with paths that mean the same in whatever folder a plug-in makes the current one."""
    named = options.fid_reference
    return replace(
        options,
        out=options.out.absolute(),
        data={name: path.absolute() for name, path in options.data.items()},
        fid_reference=None if named is None else (named[0], named[1].absolute()),
    )


def _suited(
    options: RunRequest, by_all: frozenset[str], card: ProtocolCard, outcome: RunOutcome, progress: Progress
) -> tuple[str, ...]:
    """The methods to run on a protocol; those that `all` stands for and it can't be run with are named.

    Raises:
        MethodError: there is none.
    """
    methods, left_out = ready.suited(options.methods, by_all, card, assume_aligned=options.assume_aligned)
    if left_out:
        line = f"{card.name}: `all` leaves out " + ", ".join(f"{name} ({why})" for name, why in left_out.items())
        outcome.left_out.append(line)
        progress.leave_out(line)
    if not methods:
        raise MethodError("no method that is ready can do what this protocol asks")
    return methods


def _check(options: RunRequest) -> list[ProtocolCard]:
    """The protocols; whatever is wrong with a name is said before any work is done."""
    methods, datasets = registry.methods(), registry.datasets()
    check_labels([parse_method(method, methods) for method in options.methods])
    found = [find_protocol(name, datasets) for name in expand_protocols(options.protocols, datasets)]
    if not options.methods or not found:
        raise FaceSRBenchError("give at least one method and one protocol")
    check_names(options.data, datasets)
    for _, card in found:
        profile_of(options, card)
    options.check()
    if options.fid_reference:
        set_metrics.read_reference(*options.fid_reference)
    check_writable(options.out)
    return [card for _, card in found]


def _run_protocol(
    setting: Setting, executor: Callable[[Setting], Executor], outcome: RunOutcome, progress: Progress
) -> None:
    """All methods on one protocol: those that another run is at come last, when it is done with them.

    Only one of these is held while it is waited for, so that two runs never wait for each other.
    """
    chosen = setting.options.chosen(setting.source.items)
    if not chosen and setting.options.shard is not None:
        part, parts = setting.options.shard
        left = counted(len(setting.source.items), "image")
        progress.leave_out(f"{setting.card.name}: part {part} of {parts} is empty: there are no more than {left}")
    outcome.metrics[setting.card.name] = asked_columns(setting.options.metrics or setting.card.metrics, setting.metrics)
    planned, before = _Planned(setting, chosen, outcome, progress), len(outcome.results)
    _compute(planned, planned.open_all(setting.options.methods, wait=False), executor)
    for asked in planned.busy:
        _compute(planned, planned.open_all([asked], wait=True), executor)
    outcome.results[before:] = sorted(outcome.results[before:], key=lambda result: planned.places[result.label])


def _compute(planned: _Planned, entries: Sequence[Entry], executor: Callable[[Setting], Executor]) -> None:
    """Do what is missing of some methods, and free their results."""
    try:
        _compute_held(planned, entries, executor)
    finally:
        for entry in entries:
            if entry.lock is not None:
                entry.lock.release()


def _compute_held(planned: _Planned, entries: Sequence[Entry], executor: Callable[[Setting], Executor]) -> None:
    setting, outcome, progress, chosen = planned.setting, planned.outcome, planned.progress, planned.chosen
    if not entries:
        return
    remove_partials(setting.root, [entry.result.folder for entry in entries])
    progress.start(setting.card.name, sum(len(entry.todo) for entry in entries))
    attended = chosen[: setting.options.attention]
    jobs = [entry.job(setting, attended) for entry in entries if entry.todo]
    writer = _Writer(setting, entries, outcome, progress)
    try:
        executor(setting).run(jobs, writer)
    except BaseException:
        remove_partials(setting.root, [entry.result.folder for entry in entries])  # of workers that had to be ended
        raise
    finally:
        writer.close()
    for entry in writer.entries:
        with stage("metrics of sets"):
            set_metrics.update(entry.result, writer.metrics_of_sets(), references_of(entry.result))


class _Planned:
    """What a run is about on one protocol, and the methods on it that could be opened.

    Attributes:
        busy: methods whose results another run works on.
        places: where each row's method was asked for.
    """

    def __init__(self, setting: Setting, chosen: Sequence[str], outcome: RunOutcome, progress: Progress) -> None:
        self.setting, self.chosen, self.outcome, self.progress = setting, chosen, outcome, progress
        self.busy: list[str] = []
        self.places: dict[str, int] = {}
        self._seen: set[Path] = set()

    def open_all(self, methods: Sequence[str], *, wait: bool) -> list[Entry]:
        """Every method whose result can be opened; the problems of the others are in the outcome.

        Two ways to write one method (`sparnet` and `sparnet@bundled`) are one row.

        Args:
            wait: for another run that works on it; else such a method is put aside.
        """
        entries: list[Entry] = []
        try:
            for asked in methods:
                self._open(asked, entries, wait)
        except BaseException:
            for entry in entries:
                if entry.lock is not None:
                    entry.lock.release()
            raise
        return entries

    def _open(self, asked: str, entries: list[Entry], wait: bool) -> None:
        setting, outcome = self.setting, self.outcome
        spec = parse_method(asked)

        def busy(holder: str) -> bool:
            if wait:
                self.progress.wait(setting.card.name, asked, holder)
            return wait

        try:
            with stage("plan"):
                opened = open_entry(setting, spec, self.chosen, busy=busy)
        except BusyError as error:
            if error.folder not in {entry.result.folder for entry in entries}:  # else it is written twice
                self.busy.append(asked)
            return
        if isinstance(opened, Failure):
            outcome.problems.append(f"{setting.card.name}, {opened.label}: {opened.error}")
        elif opened.result.folder in self._seen:
            if opened.lock is not None:
                opened.lock.release()
            return
        else:
            self._seen.add(opened.result.folder)
            entries.append(opened)
            outcome.mended += (f"{setting.card.name}, {opened.result.label}: {text}" for text in opened.mended)
        if opened.result is not None:
            outcome.results.append(opened.result)
            self.places.setdefault(opened.result.label, setting.options.methods.index(asked))


class _Writer:
    """Writes what is heard of the jobs of one protocol: the only writer of their images.jsonl and manifests."""

    def __init__(self, setting: Setting, entries: Sequence[Entry], outcome: RunOutcome, progress: Progress) -> None:
        self._setting, self._outcome, self._progress = setting, outcome, progress
        self._entries = {entry.result.folder: entry for entry in entries}
        self._samples = Samples(entries[0].result.inputs_folder)
        self._facts: dict[Path, Facts] = {}
        self._foreign: dict[str, SampleRecord] = {}
        self._unavailable: dict[str, str] = {}

    @property
    def entries(self) -> list[Entry]:
        """Those whose method could be loaded."""
        return list(self._entries.values())

    def metrics_of_sets(self) -> list[AnyMetric]:
        """With those marked whose networks could not be opened where the jobs were done."""
        metrics = [metric for metric in self._setting.metrics if metric.card.of == "set"]
        return [
            metric
            if isinstance(metric, Unavailable) or metric.key not in self._unavailable
            else Unavailable(metric.context, MetricError(self._unavailable[metric.key]), metric.describe())
            for metric in metrics
        ]

    def started(self, job: Job) -> None:
        self._progress.begin(job.protocol, self._entries[job.result].result.label)

    def facts(self, job: Job, facts: Facts) -> None:
        known = self._facts.get(job.result)
        cost = facts.cost if facts.cost is not None or known is None else known.cost
        self._facts[job.result] = replace(facts, cost=cost)
        # At once: a run that is killed later has said what computed its numbers.
        self._entries[job.result].learned(self._setting, self._facts[job.result])
        self._unavailable.update(facts.unavailable)

    def image(self, job: Job, record: ImageRecord, sample: SampleRecord | None) -> None:
        result = self._entries[job.result].result
        with stage("lines written"):
            if sample is not None:
                self._samples.add(sample)
                if sample.lr_expected is not None:
                    self._foreign[sample.id] = sample
            result.append(record)
        self._outcome.computed += 1
        if record.error is not None:
            self.problem(job, f"image {record.id}: {record.error}")
        self._progress.advance(result.label)

    def problem(self, job: Job, message: str) -> None:
        self._outcome.problems.append(f"{job.protocol}, {self._entries[job.result].result.label}, {message}")

    def mended(self, job: Job, message: str) -> None:
        self._outcome.mended.append(f"{job.protocol}, {self._entries[job.result].result.label}: {message}")

    def failed(self, job: Job, message: str, details: str | None) -> None:
        """The record of the failure takes the place of the result."""
        entry = self._entries.pop(job.result)
        entry.result.close()
        label, results = entry.result.label, self._outcome.results
        self._outcome.problems.append(f"{job.protocol}, {label}: {message}")
        failed = failed_result(self._setting, entry.spec, label, message, details)
        place = results.index(entry.result)
        results[place : place + 1] = [failed] if failed is not None else []
        for _ in job.todo:
            self._progress.advance(label)

    def close(self) -> None:
        """Complete the manifests of the results that something was computed for."""
        self._samples.close()
        if self._foreign:
            self._outcome.problems.append(f"{self._setting.card.name}: {lr.of_unexpected(self._foreign.values())}")
        for folder, entry in self._entries.items():
            entry.result.close()
            if folder in self._facts:
                entry.learned(self._setting, self._facts[folder])
