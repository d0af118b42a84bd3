"""The process of one method: reads what to upscale, writes what came of it, until nobody asks any more.

Started by `Isolated` as `python -c` with `main`, with the messages on standard input and output. What the method itself
prints goes to standard error.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from facesr_bench.evaluation.inputs import Loaded
    from facesr_bench.evaluation.isolation.messages import Message
    from facesr_bench.evaluation.predict import Output
    from facesr_bench.evaluation.predictor import Predictor

WATCHED = 2.0
"""Seconds between two looks whether the run is still there."""


def main(parent: int, threads: int) -> None:
    """Serve until the stream ends.

    Args:
        parent: the process that started this one.
        threads: what torch is to use, as the run does.
    """
    asked, answers = own_streams()
    threading.Thread(target=watch, args=(parent,), daemon=True).start()
    _be_ended_first()
    import torch

    from facesr_bench.base.devices import exact_numbers
    from facesr_bench.base.process_state import baseline
    from facesr_bench.evaluation.isolation import messages

    torch.set_num_threads(threads)  # before the baseline, which the method's own settings go back to
    with exact_numbers(), baseline():
        predictor: Predictor | None = None
        while (message := messages.read(asked)) is not None:
            if message.kind == "load":
                predictor, answer = _loaded(message)
            else:
                assert predictor is not None  # the run asks only what has been loaded
                answer = _answer(predictor, message)
            messages.write(answers, answer)
    os._exit(0)  # whatever threads the method has left


def own_streams() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the run, under numbers that nobody prints to."""
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    sys.stdout = sys.stderr
    return asked, answers


def watch(parent: int) -> None:
    """End this process, and its children, where the run has ended without a word."""
    while os.getppid() == parent:
        time.sleep(WATCHED)
    if hasattr(os, "killpg"):
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os._exit(1)


def _be_ended_first() -> None:
    """Where memory runs out, Linux is to end this process and not the run."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    except OSError:
        return


def _loaded(message: Message) -> tuple[Predictor | None, Message]:
    """The method, and what it costs; or why it can't be loaded."""
    from facesr_bench.base.errors import FaceSRBenchError
    from facesr_bench.evaluation.isolation.messages import Message
    from facesr_bench.evaluation.isolation.tasks import task_from_data
    from facesr_bench.evaluation.predictor import Here

    try:
        predictor = Here(task_from_data(message.fields["task"]))
        predictor.measure()
    except FaceSRBenchError as error:
        details = getattr(error, "details", "") or ""
        return None, Message("failed", {"error": str(error), "details": details, "type": type(error).__name__})
    known = {"cost": predictor.cost, "block": predictor.block, "offers_maps": predictor.offers_maps}
    return predictor, Message("ready", known)


def _answer(predictor: Predictor, message: Message) -> Message:
    from facesr_bench.base.errors import PLUGIN_ERRORS, describe
    from facesr_bench.evaluation.isolation.messages import Message

    batch = _samples(message)
    if message.kind == "upscale":
        return _sent(predictor.upscale(batch))
    try:
        return Message("maps", {}, predictor.attention(batch[0]))
    except PLUGIN_ERRORS as error:
        return Message("failed", {"error": describe(error), "details": "", "type": type(error).__name__})


def _samples(message: Message) -> list[Loaded]:
    from facesr_bench.evaluation.inputs import Loaded
    from facesr_bench.evaluation.scorer import Prepared
    from facesr_bench.plugins.sample import Sample

    pairs = zip(message.fields["ids"], message.arrays, strict=True)
    return [Loaded(image_id, Prepared(Sample(image_id, lr))) for image_id, lr in pairs]


def _sent(outputs: Sequence[Output]) -> Message:
    """Outputs as a message: each says which array is its own, if any."""
    from facesr_bench.evaluation.isolation.messages import Message

    arrays: list[Any] = []
    told: list[dict[str, Any]] = []
    for output in outputs:
        array = output.picture if output.sr is None else output.sr
        told.append({"ms": output.ms, "error": output.error, "array": None if array is None else len(arrays)})
        arrays += [] if array is None else [array]
    return Message("outputs", {"outputs": told}, arrays)
