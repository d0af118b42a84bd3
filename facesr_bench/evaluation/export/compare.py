"""What an exported file costs in numbers, and gains in time: each file a row of its own beside its method."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facesr_bench.base.errors import MethodError
from facesr_bench.evaluation.export.onnx_file import Opened, opened
from facesr_bench.evaluation.run import run
from facesr_bench.images.files import read_image
from facesr_bench.plugins import registry
from facesr_bench.plugins.doors import row_of
from facesr_bench.results.statistics import mean_intervals
from facesr_bench.results.store import Result

if TYPE_CHECKING:
    from facesr_bench.evaluation.request import Progress, RunOutcome, RunRequest

ROUNDS = 7
"""How often each is timed, in turns."""


@dataclass(frozen=True)
class Comparison:
    """A file against its method on the same images.

    Attributes:
        differences: by metric: the mean of (file less method) with the ends of its 95 % interval.
        differing: values of 8 bits that are not the same, of `values`; largest: by how many levels at most.
        faster: the method's processor time for one image over the file's, each with one thread.
    """

    file: str
    n: int
    differences: dict[str, tuple[float, float, float]]
    differing: int
    values: int
    largest: int
    faster: float


def compare(
    source: Opened, files: Sequence[Path], request: Callable[[Sequence[str]], RunRequest], progress: Progress
) -> tuple[RunOutcome, list[Comparison]]:
    """Run a method and its files, and compare what they made.

    Args:
        request: the run of some methods, on one protocol.

    Raises:
        FaceSRBenchError: nothing could be run.
    """
    cards = [plugin.card for plugin in registry.methods().plugins if plugin.card is not None]
    rows = [row_of(path, cards) for path in files]
    outcome = run(request([source.spec.text, *rows]), progress)
    if len(outcome.results) != len(rows) + 1:
        return outcome, []
    base, *others = outcome.results
    seconds = _seconds([source.spec.text, *rows], source.method.scale)
    found = [
        _compared(base, other, path.name, seconds[0] / taken)
        for other, path, taken in zip(others, files, seconds[1:], strict=True)
    ]
    return outcome, found


def _compared(base: Result, other: Result, name: str, faster: float) -> Comparison:
    before, after = base.rows(), other.rows()
    ids = [i for i, row in before.items() if row.error is None and i in after and after[i].error is None]
    if not ids:
        raise MethodError(f"{name}: no image was made by both; see the failures above")
    differences = {}
    for key in before[ids[0]].metrics:
        pairs = [(after[i].metrics.get(key, np.nan), before[i].metrics.get(key, np.nan)) for i in ids]
        values = np.array([there - here for there, here in pairs])
        if len(ids) > 1 and np.isfinite(values).all():
            ((low, high),) = mean_intervals(values[:, None], clusters=[before[i].identity or i for i in ids])
            differences[key] = float(values.mean()), float(low), float(high)
    gaps = [_levels(base.sr_path(i), other.sr_path(i)) for i in ids]
    differing, total = sum(int((gap > 0).sum()) for gap in gaps), sum(gap.size for gap in gaps)
    return Comparison(name, len(ids), differences, differing, total, max(int(gap.max()) for gap in gaps), faster)


def _levels(left: Path, right: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.abs(read_image(left).astype(np.int64) - read_image(right).astype(np.int64))


def _seconds(methods: Sequence[str], scale: int) -> list[float]:
    """Processor seconds of one image by each, the least of some rounds in turns.

    With one thread each, and processor time: what else the machine does then counts for little, while a thread that
    waits for others would burn time of its own.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _timed([opened(text, scale) for text in methods])
    finally:
        torch.set_num_threads(threads)


def _timed(sources: Sequence[Opened]) -> list[float]:
    method = sources[0].method
    side = method.card.output_size or 128
    lr = np.full((side // method.scale, side // method.scale, 3), 128, np.uint8)
    least = [float("inf")] * len(sources)
    for _ in range(ROUNDS):
        for i, source in enumerate(sources):
            given = source.method.batch([source.method.given(lr)])
            started = time.process_time()
            source.method.upscale(given)
            least[i] = min(least[i], time.process_time() - started)
    return least
