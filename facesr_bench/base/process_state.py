"""What strangers' code changes of this process, put back: no method's number may depend on which ran before it.

A plug-in that turns oneDNN off, sets a default dtype, a number of threads or a recursion limit, or changes into another
folder, would otherwise decide about the next plug-in's numbers and about where results are written.

    with baseline():                  # once, around the work of a run
        world = World()               # one per method
        with world: ...               # its calls: what it has set holds inside, and is gone outside
        with World(): ...             # one call that is to leave nothing behind

Code that is to be kept out of this process altogether needs another one.
"""

from __future__ import annotations

import gc
import io
import locale
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from types import ModuleType, TracebackType
from typing import Any, NamedTuple

from facesr_bench.base.errors import StrangeError
from facesr_bench.base.text import printable


class _Part(NamedTuple):
    """Something that all code of a process shares."""

    read: Callable[[], Any]
    write: Callable[[Any], object]


State = Mapping[str, Any]
"""The value of each part, by its name; those of libraries that are not imported are left out."""

_UNREADABLE = object()
"""A part that can't be read now: torch refuses to say its precision where two ways to set it were mixed."""


def _attribute(owner: Any, name: str) -> _Part:
    return _Part(partial(getattr, owner, name), partial(setattr, owner, name))


def _environment() -> dict[Any, Any]:
    """A copy; of what CPython keeps, undecoded, for that takes a twentieth of the time."""
    return dict(getattr(os.environ, "_data", os.environ))


def _set_environment(wanted: Mapping[Any, Any]) -> None:
    decoded = {os.fsdecode(name): os.fsdecode(value) for name, value in wanted.items()}
    for name in os.environ.keys() - decoded.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in decoded.items() if os.environ.get(name) != value})


def _set_gc(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()


def _handlers() -> dict[int, Any] | None:
    """None where they can't be set either."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}


def _set_handlers(wanted: Mapping[int, Any] | None) -> None:
    for number, handler in (wanted or {}).items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _python_parts() -> dict[str, _Part]:
    return {
        "current folder": _Part(os.getcwd, os.chdir),
        "environment variables": _Part(_environment, _set_environment),
        "locale": _Part(partial(locale.setlocale, locale.LC_ALL, None), partial(locale.setlocale, locale.LC_ALL)),
        "garbage collection": _Part(gc.isenabled, _set_gc),
        "signal handlers": _Part(_handlers, _set_handlers),
        "stdin": _attribute(sys, "stdin"),
    }


def _numpy_parts(numpy: ModuleType) -> dict[str, _Part]:
    return {"numpy errors": _Part(numpy.geterr, lambda kept: numpy.seterr(**kept))}


def _pillow_parts(pillow: ModuleType) -> dict[str, _Part]:
    owners = {"LOAD_TRUNCATED_IMAGES": sys.modules.get("PIL.ImageFile"), "MAX_IMAGE_PIXELS": sys.modules["PIL.Image"]}
    return {f"Pillow {name}": _attribute(owner, name) for name, owner in owners.items() if owner is not None}


def _opencv_parts(cv2: ModuleType) -> dict[str, _Part]:
    return {"OpenCV threads": _Part(cv2.getNumThreads, cv2.setNumThreads)}


_FLAGS = {
    # The precisions first: the older flags can't be read where they contradict these.
    "backends": ("fp32_precision",),
    "backends.cudnn": ("fp32_precision",),
    "backends.cudnn.conv": ("fp32_precision",),
    "backends.cudnn.rnn": ("fp32_precision",),
    "backends.mkldnn.matmul": ("fp32_precision",),
    "backends.mkldnn.conv": ("fp32_precision",),
    "backends.mkldnn.rnn": ("fp32_precision",),
    "backends.cuda.matmul": (
        *("fp32_precision", "allow_tf32", "allow_fp16_reduced_precision_reduction"),
        "allow_bf16_reduced_precision_reduction",
    ),
    "backends.mkldnn": ("enabled", "deterministic", "allow_tf32"),
    "backends.cudnn ": ("enabled", "benchmark", "deterministic", "allow_tf32"),
}
"""torch's flags, by what holds them; a version of torch may lack some."""


def _has(owner: Any, name: str) -> bool:
    try:
        getattr(owner, name)
    except AttributeError:
        return False
    except Exception:  # it refuses to answer now
        return True
    return True


def _torch_parts(torch: Any) -> dict[str, _Part]:
    parts: dict[str, _Part] = {}
    for place, names in _FLAGS.items():
        owner = torch
        for step in place.strip().split("."):
            owner = getattr(owner, step, None)
        for name in names:
            if owner is not None and _has(owner, name):
                parts[f"torch.{place.strip()}.{name}"] = _attribute(owner, name)
    return {
        **parts,
        "torch deterministic": _Part(
            torch.are_deterministic_algorithms_enabled, partial(torch.use_deterministic_algorithms, warn_only=False)
        ),
        "torch matmul": _Part(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        "torch dtype": _Part(torch.get_default_dtype, torch.set_default_dtype),
        "torch device": _Part(torch.get_default_device, partial(_set_device, torch)),
        "torch threads": _Part(torch.get_num_threads, torch.set_num_threads),
        "torch gradients": _Part(torch.is_grad_enabled, torch.set_grad_enabled),
        **{f"torch autocast {kind}": _autocast(torch, kind) for kind in ("cpu", "cuda")},
        "denormal numbers": _Part(_flushes, torch.set_flush_denormal),
    }


def _autocast(torch: Any, kind: str) -> _Part:
    return _Part(partial(torch.is_autocast_enabled, kind), partial(torch.set_autocast_enabled, kind))


def _set_device(torch: Any, device: Any) -> None:
    torch.set_default_device(None if str(device) == "cpu" else device)  # None: torch need not look at each call


_SMALLEST = [5e-324]


def _flushes() -> bool:
    """Whether this thread's arithmetic takes the smallest numbers for zero."""
    return _SMALLEST[0] * 1.0 == 0.0


_LIBRARIES: dict[str, Callable[[ModuleType], dict[str, _Part]]] = {
    "numpy": _numpy_parts,
    "PIL.Image": _pillow_parts,
    "torch": _torch_parts,
    "cv2": _opencv_parts,
}

_known: dict[str, dict[str, _Part]] = {}


def _parts() -> Mapping[str, _Part]:
    """All that can be read now."""
    if "" not in _known:
        _known[""] = _python_parts()
    for name, made in _LIBRARIES.items():
        if name not in _known and getattr(sys.modules.get(name), "__spec__", None) is not None:
            with suppress(Exception):  # still being imported by another thread: the next call sees it whole
                _known[name] = made(sys.modules[name])
    count = len(_known)
    if _All.libraries != count:
        _All.parts = {name: part for parts in list(_known.values()) for name, part in parts.items()}
        _All.libraries = count
    return _All.parts


class _All:
    """The parts of all libraries that are known: they are asked for at every call of a plug-in."""

    parts: Mapping[str, _Part] = {}
    libraries = 0


def _read(part: _Part) -> Any:
    try:
        return part.read()
    except Exception:  # a folder that is gone, a precision set in two ways
        return _UNREADABLE


def _capture() -> dict[str, Any]:
    return {name: _read(part) for name, part in _parts().items()}


def _put(wanted: State) -> None:
    """Set the parts that differ."""
    parts = _parts()
    for name, value in wanted.items():
        if name in parts and value is not _UNREADABLE and _read(parts[name]) != value:
            with suppress(Exception):  # a folder that is gone: the next write says so
                parts[name].write(value)


class _Held:
    """How the process was when the work began; None while there is none."""

    state: State | None = None
    streams: tuple[Any, Any] = (None, None)
    recursion = sys.getrecursionlimit()
    drawn: Mapping[str, Any] = {}
    """Random numbers' states."""
    users = 0
    """Baselines that are open, within each other or in several threads: the last one puts things back."""
    lock = threading.Lock()


@contextmanager
def baseline() -> Iterator[None]:
    """Inside, every `World` goes back to how the process is now, as it is again at the end, with its random numbers.

    Within another, or beside one of another thread, it changes nothing.
    """
    with _Held.lock:
        if not _Held.users:
            _Held.recursion, _Held.drawn = sys.getrecursionlimit(), _random_states()
            _Held.state, _Held.streams = _capture(), (sys.stdout, sys.stderr)
        _Held.users += 1
    try:
        yield
    finally:
        with _Held.lock:
            _Held.users -= 1
            if not _Held.users and _Held.state is not None:
                sys.setrecursionlimit(_Held.recursion)
                _put(_Held.state)
                _Held.state, _Held.streams = None, (None, None)
                for library, kept in _Held.drawn.items():
                    _RANDOM[library][1](kept)


def _numpy_random() -> Any:
    return sys.modules["numpy"].random


def _torch() -> Any:
    return sys.modules["torch"]


_RANDOM: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "random": (random.getstate, random.setstate),
    "numpy": (lambda: _numpy_random().get_state(), lambda kept: _numpy_random().set_state(kept)),
    "torch": (lambda: _torch().get_rng_state(), lambda kept: _torch().set_rng_state(kept)),
}


def _random_states() -> dict[str, Any]:
    return {library: read() for library, (read, _) in _RANDOM.items() if library in sys.modules}


def _seed() -> None:
    """Random numbers begin anew: what code draws then depends on nothing that was computed before."""
    random.seed(0)
    if "numpy" in sys.modules:
        _numpy_random().seed(0)
    if (torch := sys.modules.get("torch")) is not None:
        torch.default_generator.manual_seed(0)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(0)


class _Told(io.TextIOBase):
    """Takes what strangers' code prints: it goes to standard error, without the terminal's escapes."""

    encoding = "utf-8"

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        if self._stream is not None:
            self._stream.write("\r".join(map(printable, text.split("\r"))))  # progress bars live by it
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()

    def fileno(self) -> int:
        if self._stream is None:
            raise OSError("standard error is closed")
        number: int = self._stream.fileno()
        return number


class World:
    """The process as one piece of strangers' code leaves it, there again whenever that code is called.

    A context manager. Inside, what the code has set in earlier calls holds, random numbers begin anew where it is
    `seeded`, and what it prints goes to standard error, for standard output is the program's own. Outside, everything
    is as in the `baseline` (without one: as before the block). What can be no ordinary error (GeneratorExit, a class of
    its own made from BaseException) becomes `StrangeError`, which is one.

    Args:
        set_before: what its code has set when it was imported.
        seeded: whether random numbers begin anew in each call.
    """

    def __init__(self, set_before: State | None = None, *, seeded: bool = False) -> None:
        self.changes: dict[str, Any] = dict(set_before or {})
        self._seeded = seeded
        self._outside: State = {}
        self._streams: tuple[Any, Any] = (None, None)
        self._recursion = 0

    def __enter__(self) -> World:
        outside = _Held.state
        self._recursion = sys.getrecursionlimit() if outside is None else _Held.recursion
        self._outside = _capture() if outside is None else outside
        if self.changes:
            _put(self.changes)
        if self._seeded:
            _seed()
        self._streams = (sys.stdout, sys.stderr) if outside is None else _Held.streams
        sys.stdout = sys.stderr = _Told(self._streams[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.setrecursionlimit(self._recursion)  # first: what follows may need more than the code has left
        sys.stdout, sys.stderr = self._streams
        found = _capture()
        before = {name: kept for name, kept in self._outside.items() if name in found and found[name] != kept}
        self.changes = {name: found[name] for name in before}
        if before:
            _put(before)
        if error is not None and not isinstance(error, (Exception, SystemExit, KeyboardInterrupt)):
            raise StrangeError(error) from error
