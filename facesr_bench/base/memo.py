"""Networks that several metrics use: opened once, and the last answers kept."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

KEPT = 64
"""Answers kept per network: metrics of one image are computed right after each other."""


class Memo:
    """Objects made once per name, from any thread; they live as long as the memo, so as long as one run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The object made under this key earlier, or else `make()`."""
        with self._lock:
            if key not in self._objects:
                self._objects[key] = make()
            found: T = self._objects[key]
            return found


def pixels_key(*arrays: NDArray[Any]) -> bytes:
    """Tells arrays with other contents, shapes or types apart."""
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.digest()


class Recent(Generic[T]):
    """The last `KEPT` answers to the same question, such as the embedding of one image that two metrics want."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, question: Hashable, answer: Callable[[], T]) -> T:
        """What is kept under a key, made and kept where nothing is; the longest unused goes first."""
        with self._lock:
            if question in self._answers:
                self._answers.move_to_end(question)
                return self._answers[question]
        found = answer()  # outside the lock: two threads may compute the same, which costs time and nothing else
        with self._lock:
            self._answers[question] = found
            while len(self._answers) > KEPT:
                self._answers.popitem(last=False)
        return found
