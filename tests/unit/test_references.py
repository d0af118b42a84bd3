"""What depends on the ground truth alone is computed once, and a limit bounds what it takes on disk."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.results.arrays import References, write_array

Array = NDArray[np.float32]


def compute(calls: list[int], number: int) -> Callable[[], Array]:
    def made() -> Array:
        calls.append(number)
        return np.full(250, number, np.float32)  # 1000 bytes, 1128 in its file

    return made


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.npy"))


def test_computed_once_and_again_if_the_file_is_damaged(tmp_path: Path) -> None:
    calls: list[int] = []
    for _ in range(2):
        assert (References(tmp_path)("what", "a", compute(calls, 7)) == 7).all()
    assert calls == [7]
    (tmp_path / "what" / "a.npy").write_bytes(b"half")
    assert (References(tmp_path)("what", "a", compute(calls, 8)) == 8).all()
    assert calls == [7, 8] and (np.load(tmp_path / "what" / "a.npy") == 8).all()


def test_a_limit_bounds_one_name_over_all_runs(tmp_path: Path) -> None:
    """What does not fit is right all the same; other names, and arrays without a limit, are not touched by it."""
    calls: list[int] = []
    for _ in range(2):
        references = References(tmp_path)
        for number in range(5):
            assert (references("layers", str(number), compute(calls, number), limit=3500) == number).all()
    assert files(tmp_path) == ["0.npy", "1.npy", "2.npy"]
    assert calls == [0, 1, 2, 3, 4, 3, 4]
    references("other", "a", compute(calls, 1), limit=3500)
    references("layers", "all the same", compute(calls, 1))
    assert len(files(tmp_path)) == 5


def test_threads_share_the_limit(tmp_path: Path) -> None:
    references, calls = References(tmp_path), list[int]()
    with ThreadPoolExecutor(8) as threads:
        found = threads.map(lambda n: references("layers", str(n), compute(calls, n), limit=10_000)[0], range(40))
        assert list(found) == list(range(40))
    assert len(files(tmp_path)) == 10


def test_a_file_that_another_thread_writes_meanwhile_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the moment when a file is not there and the next look at it, two methods that share an image may meet."""
    references, read = References(tmp_path), Path.read_bytes

    def met(path: Path) -> bytes:
        try:
            return read(path)
        except FileNotFoundError:
            write_array(path, np.full(250, 7, np.float32))
            raise

    monkeypatch.setattr(Path, "read_bytes", met)
    assert (references("what", "a", compute([], 7)) == 7).all()
    assert references.damaged == []
