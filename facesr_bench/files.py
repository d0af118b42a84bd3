"""Writing files so that a reader never sees half of one, even where two runs write the same file at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facesr_bench.errors import ResultsError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it becomes `path` where the block ends well, and is gone where it doesn't.

    The folder of `path` is made. The name is this process's and thread's own: whoever is done last wins.

    Raises:
        ResultsError: it can't be written.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ResultsError(f"{path}: can't be written: {error.strerror or error}") from error
