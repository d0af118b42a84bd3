"""Who lets a method predict: this process, or one that the method has to itself (`evaluation.isolation`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.evaluation import attention
from facesr_bench.evaluation.ahead import Ahead
from facesr_bench.evaluation.cost import with_operations
from facesr_bench.evaluation.in_torch import InTorch
from facesr_bench.evaluation.inputs import Loaded
from facesr_bench.evaluation.predict import Output, load_method, open_method, upscale
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.method import MethodBase
from facesr_bench.plugins.pictures import PictureMethod
from facesr_bench.plugins.spec import parse_method


@dataclass(frozen=True)
class Task:
    """All that decides what a method predicts, as names, paths and numbers.

    Attributes:
        method: as the user wrote it.
        weights: its checkpoint, already verified.
        timeout: seconds that one image may take; None: as long as it takes.
        log: what other processes write is kept there.
        network: see `Job.network`.
        backend: that of `run --backend`.
    """

    method: str
    protocol: ProtocolCard
    device: str
    precision: str
    weights: Path | None = None
    timeout: float | None = None
    log: Path | None = None
    network: Path | None = None
    backend: str = "torch"


class Predictor(ABC):
    """One method, loaded.

    Attributes:
        cost: see `evaluation.cost`; None before `measure`.
        block: how many images it is best asked for at once; None: as many as any other.
        offers_maps: whether it can show where it looked.
        method: the method itself, where it is in this process.
    """

    cost: dict[str, Any] | None
    block: int | None = None
    offers_maps: bool = False
    method: MethodBase | None = None

    @abstractmethod
    def upscale(self, batch: Sequence[Loaded], following: Sequence[Loaded] = ()) -> list[Output]:
        """What it makes of samples, in their order; a failure costs only the images that cause it.

        Args:
            following: what it will be asked for next, if that is known: it may be made ready meanwhile.
        """

    @abstractmethod
    def attention(self, loaded: Loaded) -> list[NDArray[np.uint8]]:
        """Where it looked: see `attention.maps_of`.

        Raises:
            Exception: whatever the method raises.
        """

    def measure(self) -> bool:
        """Measure `cost`, where that was left until an image is done; whether it was."""
        return False

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Let go of what it holds."""


class Here(Predictor):
    """A method in this process.

    Raises:
        FaceSRBenchError: it can't be loaded.
    """

    method: MethodBase

    def __init__(self, task: Task) -> None:
        self._task, self._spec = task, parse_method(task.method)
        self.method, self._known = load_method(
            *(self._spec, task.weights, task.protocol, task.device, task.precision, task.timeout, task.log),
            network=task.network,
            backend=task.backend,
            later=True,
        )
        self.cost = self._known if task.device.startswith("cuda") else None
        self.block = self.method.block if isinstance(self.method, PictureMethod) else None
        self._ahead: Ahead | None = None
        self._shows = self.method if task.network is None else None
        self.offers_maps = attention.offers_maps(self._spec.plugin.load_class())

    def upscale(self, batch: Sequence[Loaded], following: Sequence[Loaded] = ()) -> list[Output]:
        found = None if self._ahead is None else self._ahead.take(batch)
        if following and self._ahead is None and Ahead.fits(self.method):
            self._ahead = Ahead(self.method, self._task.protocol.name)
        if following and self._ahead is not None:
            self._ahead.begin(following)
        return upscale(self.method, batch, self._task.protocol.name, found)

    def measure(self) -> bool:
        if self.cost is not None:
            return False
        plain = self.method.inner if isinstance(self.method, InTorch) else self.method
        self.cost = with_operations(plain, self._known)
        return True

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead.close()

    def attention(self, loaded: Loaded) -> list[NDArray[np.uint8]]:
        if self._shows is None:  # an exported network has no maps: they are those of the method in torch
            task = self._task
            self._shows = open_method(self._spec, task.weights, task.protocol, task.device)
        with self._shows.world:
            return attention.maps_of(self._shows, loaded)
