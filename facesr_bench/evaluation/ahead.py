"""The next batch made ready for a GPU, and brought there, while the GPU works on this one."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

from facesr_bench.base.errors import PLUGIN_ERRORS
from facesr_bench.evaluation.inputs import Loaded
from facesr_bench.evaluation.predict import Sorted, sort
from facesr_bench.plugins.method import MethodBase
from facesr_bench.plugins.pictures import PictureMethod

PREFETCH = True
"""Off only where somebody measures what it is worth: it changes no number."""
_OURS = ("given", "batch", "output_size")
"""What is called beside the method's `upscale`: nobody else's code may run there, for it may change the process."""


class Ahead:
    """One batch of a method that lies ready.

    Args:
        method: loaded; see `fits`.
        protocol: its name.
    """

    def __init__(self, method: MethodBase, protocol: str) -> None:
        import torch

        self._method, self._protocol = method, protocol
        self._thread = ThreadPoolExecutor(1)
        on_gpu = method.device.startswith("cuda")
        self._stream = torch.cuda.Stream(method.device) if on_gpu else None  # type: ignore[no-untyped-call]
        self._coming: tuple[list[str], Future[Sorted]] | None = None

    @staticmethod
    def fits(method: MethodBase) -> bool:
        """Whether all that is done of a batch before `upscale` is the engine's own."""
        plain = getattr(method, "inner", method)
        own = all(getattr(type(plain), name) is getattr(MethodBase, name) for name in _OURS)
        return PREFETCH and own and not isinstance(plain, PictureMethod)

    def begin(self, batch: Sequence[Loaded]) -> None:
        """Make a batch ready, beside whatever else goes on."""
        self._coming = [loaded.id for loaded in batch], self._thread.submit(self._ready, batch)

    def take(self, batch: Sequence[Loaded]) -> Sorted | None:
        """What was made ready, if it was this batch, and went well: if not, the method says why when it is asked."""
        coming, self._coming = self._coming, None
        if coming is None or coming[0] != [loaded.id for loaded in batch]:
            return None
        try:
            found = coming[1].result()
        except PLUGIN_ERRORS:
            return None
        self._wait_for(found)
        return found

    def close(self) -> None:
        """Prepare nothing more; what is begun is waited for."""
        self._thread.shutdown()

    def _ready(self, batch: Sequence[Loaded]) -> Sorted:
        import torch

        found = sort(self._method, batch, self._protocol, nullcontext())
        with nullcontext() if self._stream is None else torch.cuda.stream(self._stream):
            found.tensors = [self._method.batch([given.asked.lr for given in group]) for group in found.groups]
            if self._stream is not None:
                found.uploaded = self._stream.record_event()
        return found

    def _wait_for(self, found: Sorted) -> None:
        """Have the GPU begin with a batch no sooner than it is there."""
        if found.uploaded is None:
            return
        import torch

        current: Any = torch.cuda.current_stream(self._method.device)
        current.wait_event(found.uploaded)
        for tensor in found.tensors or ():
            tensor.record_stream(current)
