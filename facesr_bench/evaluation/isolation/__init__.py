"""A method in a process of its own: one that hangs, leaks, crashes or ends its process costs itself alone.

The process does what this one would (`predictor.Here`), with the same batches and seeds, so a row is the same to the
last bit. Between the two go messages that can't run anything (`messages`).
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from tempfile import TemporaryFile
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.children import end_in_words, ended
from facesr_bench.base.errors import FaceSRBenchError, MethodError, PluginError
from facesr_bench.base.text import one_line
from facesr_bench.evaluation.inputs import Loaded
from facesr_bench.evaluation.isolation import messages
from facesr_bench.evaluation.isolation.answers import maps_of, outputs_of, ready_of
from facesr_bench.evaluation.isolation.messages import Message, MessageError
from facesr_bench.evaluation.isolation.tasks import task_to_data
from facesr_bench.evaluation.predict import Output
from facesr_bench.evaluation.predictor import Predictor, Task

LOAD_SECONDS = 300.0
"""What loading may take where the user limits what an image may."""
GRACE = 5.0
"""Seconds for a process to end whose answers have ended, so that its exit status is its own."""
GIVEN_UP = 3
"""Images that ended the process, each alone and none of them having come back before, after which no more are tried."""
SAID = 4096
"""Bytes of what the process wrote last, that a message may draw on."""

_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from facesr_bench.evaluation.isolation.child import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)


class _DiedError(Exception):
    """The process has ended, or had to be; the message says how."""


class Isolated(Predictor):
    """A method in a process of its own, started again after each end.

    Raises:
        FaceSRBenchError: it can't be loaded.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._process: _Process | None = None
        self._answered = False
        self._lost: list[str] = []
        try:
            known = ready_of(self._loaded())
        except _DiedError as died:
            raise PluginError(f"{task.method} can't be loaded: its process {died}") from died
        self.cost, self.block, self.offers_maps = known.cost, known.block, known.offers_maps

    def upscale(self, batch: Sequence[Loaded], following: Sequence[Loaded] = ()) -> list[Output]:
        if not self._answered and len(self._lost) >= GIVEN_UP:
            why = f"not tried: each of the {len(self._lost)} images before it ended its process, which {self._lost[-1]}"
            return [Output(None, error=why) for _ in batch]
        try:
            outputs = self._asked(batch)
        except _DiedError as died:
            if len(batch) > 1:  # as where a method raises: only the image that causes it is to fail
                return [self.upscale([loaded])[0] for loaded in batch]
            self._lost.append(str(died))
            return [Output(None, error=f"its process {died}")]
        except FaceSRBenchError as error:
            return [Output(None, error=f"it can't be loaded again: {error}") for _ in batch]
        self._answered = True
        return outputs

    def _asked(self, batch: Sequence[Loaded]) -> list[Output]:
        limit = None if self._task.timeout is None else self._task.timeout * len(batch)
        answer = self._ask("upscale", batch, limit)
        try:
            return outputs_of(answer, batch)
        except MessageError as error:
            raise self._ended(f"sent an answer that is none: {error}") from error

    def attention(self, loaded: Loaded) -> list[NDArray[np.uint8]]:
        try:
            return maps_of(self._ask("attention", [loaded], self._task.timeout))
        except (_DiedError, MessageError) as error:
            raise MethodError(f"its process {error}") from error

    def close(self) -> None:
        if self._process is not None:
            self._process.end(0)
            self._process = None

    def _ask(self, kind: str, batch: Sequence[Loaded], limit: float | None) -> Message:
        """Raises: _DiedError, and FaceSRBenchError where it can't be loaded again."""
        if self._process is None:
            self._loaded()
        arrays = [loaded.sample.lr for loaded in batch]
        return self._answer(Message(kind, {"ids": [loaded.id for loaded in batch]}, arrays), limit)

    def _loaded(self) -> Message:
        self._process = _Process(self._task)
        limit = None if self._task.timeout is None else max(LOAD_SECONDS, self._task.timeout)
        answer = self._answer(Message("load", {"task": task_to_data(self._task)}), limit)
        if answer.kind == "failed":
            self.close()
            raise PluginError(str(answer.fields.get("error")), str(answer.fields.get("details")))
        return answer

    def _answer(self, message: Message, limit: float | None) -> Message:
        assert self._process is not None  # the caller has seen to it
        try:
            return self._process.answer(message, limit)
        except TimeoutError as error:
            raise self._ended(f"gave no answer within {limit:g} s, so it was ended") from error
        except MessageError as error:
            raise self._ended(f"sent what is no message: {error}") from error
        except EOFError as error:
            raise self._ended(None) from error

    def _ended(self, how: str | None) -> _DiedError:
        """What to say of a process that is no more; `how` it ended where that was this one's doing."""
        assert self._process is not None
        status, said = self._process.end(0 if how else GRACE)
        self._process = None
        return _DiedError(
            (how or f"{end_in_words(status)} before it answered") + (f"; it said: {said}" if said else "")
        )


class _Process:
    """The running process, with a thread that hears it: a pipe can't be read with a time limit everywhere."""

    def __init__(self, task: Task) -> None:
        import torch

        self._log = task.log
        self._output: BinaryIO = TemporaryFile() if task.log is None else task.log.open("ab+")  # noqa: SIM115
        self._begin = self._output.seek(0, os.SEEK_END)
        self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, "-c", _CODE, json.dumps(sys.path), str(os.getpid()), str(torch.get_num_threads())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._output,
            start_new_session=True,  # its children end with it; Ctrl-C is this process's to handle
        )
        self._heard: queue.Queue[Message | BaseException] = queue.Queue()
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        assert self._process.stdout is not None
        try:
            while (message := messages.read(self._process.stdout)) is not None:
                self._heard.put(message)
            self._heard.put(EOFError())
        except Exception as error:
            self._heard.put(error if isinstance(error, MessageError) else EOFError())

    def answer(self, message: Message, limit: float | None) -> Message:
        """Raises: EOFError, TimeoutError, MessageError."""
        assert self._process.stdin is not None
        # Sent by a thread: a process that does not read must not stop this one.
        sender = threading.Thread(target=self._send, args=(message,), daemon=True)
        sender.start()
        try:
            heard = self._heard.get(timeout=limit)
        except queue.Empty as error:
            raise TimeoutError from error
        if isinstance(heard, BaseException):
            raise heard
        return heard

    def _send(self, message: Message) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it has ended: the other thread hears that
            messages.write(self._process.stdin, message)

    def end(self, grace: float) -> tuple[int, str]:
        """End it and all its children; its exit status, and the last lines that it wrote.

        Args:
            grace: seconds for it to end by itself.
        """
        status, said = ended(self._process, grace), self._said()
        for stream in (self._process.stdin, self._output):
            with contextlib.suppress(OSError, ValueError):
                stream.close()  # type: ignore[union-attr]
        if self._log is not None and self._log.is_file() and not self._log.stat().st_size:
            self._log.unlink()
        return status, said

    def _said(self) -> str:
        end = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(self._begin, end - SAID))
        lines = [one_line(line) for line in self._output.read().decode(errors="replace").splitlines()]
        return " | ".join([line for line in lines if line][-3:])
