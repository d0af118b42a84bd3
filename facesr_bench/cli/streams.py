"""Standard output and standard error: whatever they are (cp1252, a full disk, closed), no traceback.

Standard output is the program's alone: what libraries and plug-ins print goes to standard error.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
import sysconfig
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

from facesr_bench.base.errors import FaceSRBenchWarning
from facesr_bench.base.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from rich.console import Console
    from rich.segment import Segment

_Item = TypeVar("_Item")

_HANDLER = "facesr-bench"
_STRICT = ("strict", "surrogateescape")
"""How a stream handles what it can't encode where nobody asked for another way."""

_PLAIN = str.maketrans(
    {
        "↑": "^",
        "↓": "v",
        "·": "-",
        "…": "...",
        "±": "+-",
        "∞": "inf",
        "°": " degrees",
        "≥": ">=",
        "\N{GREEK SMALL LETTER SIGMA}": "sigma",
        "\N{MULTIPLICATION SIGN}": "x",
        "\N{MINUS SIGN}": "-",
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{DAGGER}": "+",
        "\N{REPLACEMENT CHARACTER}": "?",
    }
)
"""What stands for our own signs where a stream's encoding lacks them."""

_NO_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _substitute(error: UnicodeError) -> tuple[str | bytes, int]:
    """An error handler of codecs: a plain spelling of our own signs, a backslash escape of anything else."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_spelled(c) for c in lacking), error.end


def _spelled(character: str) -> str:
    plain = character.translate(_PLAIN)
    return plain if plain != character else character.encode("ascii", "backslashreplace").decode("ascii")


class _Closed(io.TextIOWrapper):
    """Stands for a standard stream that is closed, and knows whether something was lost in it."""

    lost = False

    def write(self, text: str, /) -> int:
        self.lost = self.lost or bool(text)
        return len(text)


def prepare() -> None:
    """Make the standard streams safe to write any text to, for as long as the process lives."""
    codecs.register_error(_HANDLER, _substitute)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # Opened, so that no file of ours gets the number of the closed stream.
            setattr(sys, name, _Closed(open(os.devnull, "wb"), encoding="utf-8"))  # noqa: SIM115, PTH123
        elif isinstance(stream, io.TextIOWrapper) and stream.errors in _STRICT:
            stream.reconfigure(errors=_HANDLER)


def take_over(noisy: int | None = None) -> None:
    """Keep the standard streams to ourselves, and decide which warnings are shown, until the process ends.

    A library that prints, in Python or in C, would spoil a table that is piped into a file: file descriptor 1 becomes
    standard error, and `sys.stdout` writes where it led before. Of warnings, ours are notes, those of a user's own code
    are shown, and those of libraries only where Python was asked for warnings (`-W`, PYTHONWARNINGS).

    Args:
        noisy: where descriptor 2 is to lead, and `sys.stderr` no longer; None: it stays standard error.
    """
    import logging

    warnings.showwarning = _show_warning
    if logging.lastResort is not None:  # what loggers that nobody has set up print
        logging.lastResort.setLevel(logging.ERROR)
    if noisy is not None:
        sys.stderr = _apart(sys.stderr, 2, noisy)
        os.close(noisy)
    sys.stdout = _apart(sys.stdout, 1, 2)


def _apart(stream: TextIO, number: int, other: int) -> TextIO:
    """A stream that leads where `stream` does, whose descriptor `number` leads where `other` does from now on."""
    if not isinstance(stream, io.TextIOWrapper) or isinstance(stream, _Closed):
        return stream
    try:
        stream.flush()
        if stream.fileno() != number:
            return stream
        ours = os.dup(number)
        os.dup2(other, number)
    except OSError:  # standard error is closed
        return stream
    return open(  # noqa: PTH123
        ours, "w", encoding=stream.encoding, errors=stream.errors, buffering=1 if stream.line_buffering else -1
    )


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """As `warnings.showwarning`."""
    if issubclass(category, FaceSRBenchWarning):
        say(f"note: {message}")
    elif sys.warnoptions or not _of_library(filename):
        say(f"{category.__name__}: {message} ({filename}:{lineno})")


def _of_library(filename: str) -> bool:
    places = [*sysconfig.get_paths().values(), str(Path(__file__).parents[1])]
    path = Path(filename)
    installed = {"site-packages", "dist-packages"} & set(path.parts)  # of another environment that this one sees too
    return bool(installed) or filename.startswith("<") or any(path.is_relative_to(place) for place in places)


def finish() -> str | None:
    """Write out what standard output still holds; why something printed was lost, or None.

    Raises:
        OSError: it can't be written.
    """
    sys.stdout.flush()
    if isinstance(sys.stdout, _Closed) and sys.stdout.lost:
        return "standard output is closed: what was printed is lost"
    return None


def why_unwritable(error: OSError) -> str | None:
    """In words, that a disk is full or a device takes no more; None for any other error."""
    if error.errno not in _NO_WRITE:
        return None
    target = "what is printed" if error.filename is None else str(error.filename)
    return f"can't write {target}: {error.strerror}"


def abandon(stream: TextIO) -> None:
    """Send what the stream still holds nowhere: the interpreter would try again at its end, and complain."""
    try:
        number, nowhere = stream.fileno(), os.open(os.devnull, os.O_WRONLY)
    except (OSError, ValueError):  # not a file of the system's: a test's, a notebook's
        return
    os.dup2(nowhere, number)
    os.close(nowhere)


def say(text: str) -> None:
    """A line on standard error, safe to print."""
    sys.stderr.write(f"{printable(text)}\n")


def showing(what: str, console: Console) -> Callable[[Sequence[_Item]], Iterable[_Item]]:
    """What shows how far one is with the items of a list, on a terminal; elsewhere nothing is written.

    Args:
        what: is done to them.
    """
    if not console.is_terminal:  # where rich would leave an empty line
        return iter
    from rich.progress import track

    return lambda items: track(items, what, console=console, transient=True)


def make_console(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """A console on standard output or error that passes no terminal escapes but its own.

    Args:
        soft_wrap: never break lines: paths and commands stay whole.
    """
    from rich.console import Console
    from rich.segment import Segment

    class Safe(Console):
        def render(self, *args: Any, **options: Any) -> Iterable[Segment]:
            for segment in super().render(*args, **options):
                yield segment if segment.control else Segment(printable(segment.text), segment.style)

    return Safe(stderr=stderr, soft_wrap=soft_wrap)
