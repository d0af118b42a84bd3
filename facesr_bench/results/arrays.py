"""Arrays that depend on the ground truth alone (embeddings, landmarks, features), computed once and kept on disk."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import describe
from facesr_bench.base.files import file_name, replacing
from facesr_bench.results.checks import DamagedError, opened_array, sealed_array


class References:
    """One protocol's arrays: `<folder>/<name>/<image id>.npy`. Safe to use from several threads.

    The folder must be of one set of inputs: nothing here looks at pixels.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.damaged: list[Path] = []
        """Files that were not as written, and were computed again."""
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}

    def __call__(
        self, name: str, image_id: str, compute: Callable[[], NDArray[Any]], limit: int | None = None
    ) -> NDArray[Any]:
        """The array, read from disk or else computed and written.

        Args:
            limit: bytes that all arrays of this name may take; beyond it nothing more is written.
        """
        path = self.path(name, image_id)
        try:
            kept = stored_array(path)
        except DamagedError:
            self.damaged.append(path)
            kept = None
        if kept is None:
            kept = compute()
            if limit is None or self._fits(path.parent, kept.nbytes, limit):
                write_array(path, kept)
        return kept

    def _fits(self, folder: Path, size: int, limit: int) -> bool:
        """Whether `size` more bytes may be written there; if so, they count from now on."""
        with self._lock:
            if folder.name not in self._sizes:
                self._sizes[folder.name] = sum(path.stat().st_size for path in folder.glob("*.npy"))
            if self._sizes[folder.name] + size > limit:
                return False
            self._sizes[folder.name] += size
            return True

    def path(self, name: str, image_id: str) -> Path:
        """Where the array of an image is, whether or not it is there."""
        return self._folder / file_name(name) / f"{file_name(image_id)}.npy"


def stored_array(path: Path) -> NDArray[Any] | None:
    """The array in an .npy file; None if there is no file.

    Whether there is one is decided by opening it: another thread may write it at any moment.

    Raises:
        DamagedError: it is not as it was written.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedError(f"{path}: can't be read: {error.strerror or error}") from error
    try:
        content, checked = opened_array(data)
        stream = io.BytesIO(content)
        found: NDArray[Any] = np.load(stream, allow_pickle=False)
    except Exception as error:  # a damaged header is parsed as Python's literals, with whatever that may raise
        raise DamagedError(f"{path}: {describe(error)}") from error
    # Without a checksum (earlier releases), the length at least must be what the header says.
    if not checked and stream.tell() != len(content):
        raise DamagedError(f"{path}: longer than its header says")
    return found


def read_array(path: Path) -> NDArray[Any] | None:
    """The array in an .npy file; None if there is no file, or one that is not as it was written."""
    try:
        return stored_array(path)
    except DamagedError:
        return None


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an .npy file with its checksum, so that a reader never sees half of it.

    Raises:
        ResultsError: it can't be written.
    """
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    with replacing(path) as partial:
        partial.write_bytes(sealed_array(stream.getvalue()))
