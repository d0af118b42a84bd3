"""Does jobs: prepares the inputs, lets the method predict, scores; one method in memory at a time."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from facesr_bench.base import environment
from facesr_bench.base.devices import exact_numbers
from facesr_bench.base.errors import PLUGIN_ERRORS, FaceSRBenchError, ResultsError, describe
from facesr_bench.base.files import file_name
from facesr_bench.base.memo import Memo
from facesr_bench.base.process_state import baseline
from facesr_bench.base.stages import stage
from facesr_bench.evaluation import attention
from facesr_bench.evaluation.batches import ON_CPU, ON_GPU, batches, with_next
from facesr_bench.evaluation.inputs import Inputs, Loaded
from facesr_bench.evaluation.isolation import Isolated
from facesr_bench.evaluation.job import Facts, Job, Sink
from facesr_bench.evaluation.metrics import opened
from facesr_bench.evaluation.predictor import Here, Predictor, Task
from facesr_bench.evaluation.score import saved_output, score_image, score_output
from facesr_bench.evaluation.scorer import Scorer
from facesr_bench.evaluation.setting import Setting, open_setting
from facesr_bench.plugins.method import MethodBase
from facesr_bench.plugins.metric import Unavailable
from facesr_bench.plugins.spec import parse_method
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.samples import SampleRecord
from facesr_bench.results.store import FOLDER, LOG, Result, open_result

Event = tuple[str, tuple[Any, ...]]
"""Something that a sink hears: the method's name and its arguments after the job."""


def do(job: Job) -> list[Event]:
    """A job done from its names and paths alone: what another process calls. `replay` hands on what it returns.

    Raises:
        FaceSRBenchError: it can't be begun, or a result can't be written.
    """
    events = _Events()
    with exact_numbers(), baseline(), Worker([job]) as worker:
        worker.do(job, events)
    return events.heard


def replay(events: Iterable[Event], job: Job, sink: Sink) -> None:
    """Tell `sink` what was heard of a job elsewhere."""
    for name, arguments in events:
        getattr(sink, name)(job, *arguments)


def beside(device: str) -> bool:
    """Whether reading, making ready and scoring go on while a method works."""
    return device.startswith("cuda")


class Worker:
    """Does jobs one after another; those of one protocol share its metrics and samples.

    Args:
        coming: the jobs that are to be done, by which samples are kept for those that will want them.
        setting: of the first job's protocol, where it is open already; else it is opened by name.
    """

    def __init__(self, coming: Sequence[Job], setting: Setting | None = None) -> None:
        self._coming = coming
        self._known = setting
        self._bench: _Bench | None = None
        self._memo = Memo()
        self._last: Callable[[], MethodBase | None] = lambda: None
        self._open_now: _Opened | None = None

    def __enter__(self) -> Worker:
        workers = self._coming[0].request.workers if self._coming else 1
        self._readers, self._scorers = ThreadPoolExecutor(workers), ThreadPoolExecutor(workers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._readers.shutdown()
        self._scorers.shutdown()
        self._let_go()

    def do(self, job: Job, sink: Sink) -> None:
        """Do one job; a failure costs only the image it is about, or the job if the method can't be loaded.

        A method stays open for the next job, where that is another block of the same result.

        Raises:
            ResultsError: a result can't be written.
            FaceSRBenchError: the job can't be begun.
        """
        sink.started(job)
        if self._open_now is None or self._open_now.result.folder != job.result:
            self._let_go()
            self._open_now = _Opened(open_result(job.result))
        bench = self._open(job)
        bench.inputs.know(job.samples, job.unreadable)
        computation = _Computation(job, bench, self._open_now, sink, self._readers, self._scorers)
        try:
            computation.run()
        except BaseException:
            self._let_go()
            raise

    def _let_go(self) -> None:
        """Of the method that is open, so that one is in memory at a time."""
        predictor = None if self._open_now is None else self._open_now.predictor
        self._open_now = None
        if predictor is not None:
            predictor.close()
            if predictor.method is not None:
                self._last = weakref.ref(predictor.method)
            del predictor
        if self._last() is not None:  # something of that method refers to itself
            gc.collect()

    def _open(self, job: Job) -> _Bench:
        if self._bench is None or self._bench.setting.card.name != job.protocol:
            known = self._known if self._known is not None and self._known.card.name == job.protocol else None
            setting = known or open_setting(job.request, job.protocol, self._memo)
            jobs = [other for other in self._coming if other.protocol == job.protocol]
            assert self._open_now is not None  # `do` has opened it
            self._bench = _Bench(setting, self._open_now.result, jobs)
        return self._bench


@dataclass
class _Opened:
    """The result that is worked on, and its method once it is needed."""

    result: Result
    predictor: Predictor | None = None


class _Bench:
    """What the jobs of one protocol share in one process: metrics with open networks, and samples."""

    def __init__(self, setting: Setting, result: Result, jobs: Sequence[Job]) -> None:
        with stage("metrics opened"):
            self.setting = replace(setting, metrics=opened(setting.metrics))
        coming = Counter(image_id for job in jobs for image_id, _ in job.todo)
        self.scorer = Scorer(self.setting.metrics)
        self.inputs = Inputs(result.inputs_folder, setting.card, lambda: setting.source, self.scorer.prepare, coming)

    def facts(self, cost: dict[str, Any] | None = None) -> Facts:
        metrics = self.setting.metrics
        return Facts(
            environment.environment(self.setting.device),
            {metric.key: metric.describe() for metric in metrics},
            {metric.key: metric.reason for metric in metrics if isinstance(metric, Unavailable)},
            cost,
        )


class _Computation:
    """One job being done."""

    def __init__(
        self,
        job: Job,
        bench: _Bench,
        opened: _Opened,
        sink: Sink,
        readers: ThreadPoolExecutor,
        scorers: ThreadPoolExecutor,
    ) -> None:
        self._job, self._bench, self._sink = job, bench, sink
        self._setting = bench.setting
        self._readers, self._scorers = readers, scorers
        self._opened, self._result = opened, opened.result
        self._todo = dict(job.todo)

    def run(self) -> None:
        if "run" not in self._todo.values():
            self._sink.facts(self._job, self._bench.facts())
        else:
            try:
                self._require_predictor()
            except FaceSRBenchError as error:
                self._sink.failed(self._job, str(error), getattr(error, "details", "") or None)
                return
        # Beside a GPU, reading and scoring go on while it works. A network on the CPU needs the same cores: there it
        # takes turns with them, so that a method's milliseconds are its own.
        overlap = beside(self._setting.device)
        size = self._setting.options.batch_size or (ON_GPU if overlap else ON_CPU)
        block = self._opened.predictor.block if self._opened.predictor is not None else None
        size = block or size
        ahead = 2 if overlap else 0
        pending: list[tuple[Loaded, Future[ImageRecord]]] = []
        first = True
        scale, get = self._setting.card.scale, self._bench.inputs.get
        readers = self._readers if overlap else self._scorers  # the same few threads then do both
        found = batches(lambda one: readers.submit(get, one), list(self._todo), size, scale, ahead, block is None)
        for batch, following in with_next(found) if overlap else ((batch, []) for batch in found):
            if not overlap:
                self._finish(pending)  # scored while this batch was read
                pending = []
            started = list(self._submit(batch, following))
            self._finish(pending)  # scored while this batch was upscaled
            pending = started
            if first and not overlap:  # nothing else is read before the first number is there
                self._finish(pending)
                pending = []
            first = False
        self._finish(pending)
        self._tell_of_damage()

    def _tell_of_damage(self) -> None:
        """Say which files beside images.jsonl were not as written; they are made anew by now."""
        found = [*self._bench.inputs.take_damaged(), *self._result.damaged]
        self._result.damaged.clear()
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            self._sink.mended(self._job, f"{found[0]}{more} was damaged; what it held is computed anew")

    def _require_predictor(self) -> Predictor:
        """The method, loaded when first asked for.

        Raises:
            FaceSRBenchError: it can't be loaded.
        """
        if self._opened.predictor is None:
            job, setting, options = self._job, self._setting, self._setting.options
            log = self._result.folder / LOG
            task = Task(
                *(job.method, setting.card, setting.device, options.precision, job.weights, options.timeout, log),
                network=job.network,
                backend=options.backend,
            )
            apart = options.isolated and not parse_method(job.method).plugin.require_card().own_process
            with stage("method loaded"):
                self._opened.predictor = Isolated(task) if apart else Here(task)
            self._sink.facts(job, self._bench.facts(self._opened.predictor.cost))
        return self._opened.predictor

    def _submit(
        self, batch: Sequence[Loaded], following: Sequence[Loaded]
    ) -> Iterator[tuple[Loaded, Future[ImageRecord]]]:
        """Upscale what the method still lacks of a batch; saving and scoring go to the other threads, and what it will
        lack of the following one is made ready meanwhile.
        """
        scorer, mode = self._bench.scorer, self._setting.profile.quantise
        keep = self._setting.options.keep == "sr"
        to_run: list[Loaded] = []
        for loaded in batch:
            if loaded.error is not None:
                yield loaded, _done(ImageRecord(loaded.id, error=loaded.error))
            elif self._todo[loaded.id] == "score" and (sr := saved_output(self._result, loaded.id)) is not None:
                yield loaded, self._scorers.submit(score_image, sr, loaded, scorer, self._result, keep)
            else:
                to_run.append(loaded)
        if not to_run:
            return
        try:
            predictor = self._require_predictor()  # not loaded yet if a saved image can't be read
        except FaceSRBenchError as error:
            failed = [ImageRecord(loaded.id, error=str(error), identity=loaded.sample.identity) for loaded in to_run]
            yield from zip(to_run, map(_done, failed), strict=True)
            return
        coming = [loaded for loaded in following if loaded.error is None and self._todo[loaded.id] == "run"]
        with stage("forward"):
            outputs = predictor.upscale(to_run, coming)
        with stage("attention maps"):
            self._keep_attention(predictor, [loaded for loaded in to_run if loaded.id in self._job.attended])
        for output, loaded in zip(outputs, to_run, strict=True):
            yield loaded, self._scorers.submit(score_output, output, loaded, scorer, self._result, mode, keep)

    def _keep_attention(self, predictor: Predictor, batch: Sequence[Loaded]) -> None:
        """Where the method looked, for the first images; a failure here costs no number."""
        folder = self._result.folder / FOLDER
        for loaded in batch if predictor.offers_maps else ():
            try:
                attention.keep(predictor.attention(loaded), folder / file_name(loaded.id))
            except ResultsError:
                raise
            except PLUGIN_ERRORS as error:
                self._sink.problem(self._job, f"attention maps of {loaded.id}: {describe(error)}")
                return
        if batch and folder.is_dir():
            attention.write_mean(folder)

    def _finish(self, pending: Sequence[tuple[Loaded, Future[ImageRecord]]]) -> None:
        for loaded, future in pending:
            self._sink.image(self._job, future.result(), loaded.record)
        predictor = self._opened.predictor
        if pending and predictor is not None and predictor.measure():  # behind the first images, which are waited for
            self._sink.facts(self._job, self._bench.facts(predictor.cost))


def _done(record: ImageRecord) -> Future[ImageRecord]:
    future: Future[ImageRecord] = Future()
    future.set_result(record)
    return future


class _Events:
    """A sink that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def started(self, job: Job) -> None:
        self.heard.append(("started", ()))

    def facts(self, job: Job, facts: Facts) -> None:
        self.heard.append(("facts", (facts,)))

    def image(self, job: Job, record: ImageRecord, sample: SampleRecord | None) -> None:
        self.heard.append(("image", (record, sample)))

    def problem(self, job: Job, message: str) -> None:
        self.heard.append(("problem", (message,)))

    def mended(self, job: Job, message: str) -> None:
        self.heard.append(("mended", (message,)))

    def failed(self, job: Job, message: str, details: str | None) -> None:
        self.heard.append(("failed", (message, details)))
