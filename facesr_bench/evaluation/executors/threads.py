"""One protocol's images through every method: each read once, upscaled, scored, and saved as soon as it is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from facesr_bench.base.errors import PLUGIN_ERRORS, FaceSRBenchError, ResultsError, describe
from facesr_bench.base.files import file_name, write_json
from facesr_bench.evaluation import attention
from facesr_bench.evaluation.inputs import Loaded, load_item
from facesr_bench.evaluation.plan import Entry, Setting, degradation_of, references_of
from facesr_bench.evaluation.predict import upscale
from facesr_bench.evaluation.request import Progress, RunOutcome
from facesr_bench.evaluation.score import saved_output, score_image, score_output
from facesr_bench.plugins.dataset import DatasetBase, Item
from facesr_bench.plugins.method import MethodBase
from facesr_bench.results import store
from facesr_bench.results.record import ImageRecord
from facesr_bench.results.store import LANDMARKS


class Computation:
    """Computes what the entries of one protocol lack.

    Args:
        attended: ids of the images whose attention maps are kept.
        report: counts what is computed, and collects what fails.
    """

    def __init__(self, setting: Setting, attended: Collection[str], report: RunOutcome, progress: Progress) -> None:
        self._setting, self._attended = setting, attended
        self._report, self._progress = report, progress

    def run(self, dataset: DatasetBase, items: Sequence[Item], entries: Sequence[Entry]) -> None:
        """Compute `items` for every entry that has them to do; a failure costs only the image it is about.

        Raises:
            ResultsError: a result can't be written.
        """
        setting = self._setting
        result = entries[0].result
        place = references_of(result)
        degrade = degradation_of(setting.plugin, setting.card)

        def load(item: Item) -> Loaded:
            return load_item(dataset, item, setting.card, setting.metrics, result.inputs_folder, place, degrade)

        landmarks: dict[str, Any] = {}
        # Beside a GPU, reading and scoring go on while it works. A network on the CPU needs the same cores: there the
        # three take turns, so that a method's milliseconds are its own.
        overlap = setting.device.startswith("cuda")
        size = setting.options.batch_size or (16 if overlap else 8)
        workers = setting.options.workers
        with ThreadPoolExecutor(workers) as loaders, ThreadPoolExecutor(workers) as scorers:
            pending: list[tuple[Entry, Future[ImageRecord]]] = []
            for batch in _batches(loaders, load, items, size, ahead=2 if overlap else 0):
                for loaded in batch:
                    if loaded.sample is not None and loaded.sample.landmarks is not None:
                        landmarks[loaded.id] = loaded.sample.landmarks.round(3).tolist()
                started: list[tuple[Entry, Future[ImageRecord]]] = []
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

    def _submit(
        self, scorers: ThreadPoolExecutor, entry: Entry, batch: Sequence[Loaded]
    ) -> Iterator[Future[ImageRecord]]:
        """Upscale what this method still lacks of a batch; saving and scoring go to the other threads."""
        metrics, profile = self._setting.metrics, self._setting.profile
        to_run: list[Loaded] = []
        for loaded in batch:
            state = entry.todo.get(loaded.id)
            if state is None:
                continue
            if loaded.error is not None:
                yield _done(ImageRecord(loaded.id, error=loaded.error))
            elif state == "score" and (sr := saved_output(entry.result, loaded.id)) is not None:
                yield scorers.submit(score_image, sr, loaded, metrics, entry.result)
            else:
                to_run.append(loaded)
        if to_run:
            try:
                method = entry.require_method(self._setting)  # not loaded yet if a saved image can't be read
            except FaceSRBenchError as error:
                yield from (_done(ImageRecord(loaded.id, error=str(error))) for loaded in to_run)
                return
            outputs = upscale(method, to_run)
            self._keep_attention(entry, method, [loaded for loaded in to_run if loaded.id in self._attended])
            for output, loaded in zip(outputs, to_run, strict=True):
                yield scorers.submit(score_output, output, loaded, metrics, entry.result, profile.quantise)

    def _keep_attention(self, entry: Entry, method: MethodBase, batch: Sequence[Loaded]) -> None:
        """Where the method looked, for the first images; a failure here costs no number."""
        folder = entry.result.folder / store.FOLDER
        for loaded in batch if attention.offers_maps(method) else ():
            try:
                attention.keep(method, loaded, folder / file_name(loaded.id))
            except ResultsError:
                raise
            except PLUGIN_ERRORS as error:
                label = f"{self._setting.card.name}, {entry.result.label}, attention maps of {loaded.id}"
                self._report.problems.append(f"{label}: {describe(error)}")
                return
        if batch and folder.is_dir():
            attention.write_mean(folder)

    def _finish(self, pending: Sequence[tuple[Entry, Future[ImageRecord]]]) -> None:
        for entry, future in pending:
            row = future.result()
            entry.result.append(row)
            self._report.computed += 1
            label = entry.result.label
            if row.error is not None:
                self._report.problems.append(f"{self._setting.card.name}, {label}, image {row.id}: {row.error}")
            self._progress.advance(label)


def _batches(
    loaders: ThreadPoolExecutor, load: Callable[[Item], Loaded], items: Sequence[Item], size: int, ahead: int
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


def _save_landmarks(path: Path, landmarks: Mapping[str, Any]) -> None:
    """Add images' points to those that earlier runs wrote."""
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        earlier = {}
    write_json(path, {**(earlier if isinstance(earlier, dict) else {}), **landmarks})


def _done(row: ImageRecord) -> Future[ImageRecord]:
    future: Future[ImageRecord] = Future()
    future.set_result(row)
    return future
