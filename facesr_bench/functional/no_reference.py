"""Image quality without a reference: pyiqa's metrics (extra `pyiqa`), without its downloads.

pyiqa fetches whatever a metric lacks while the metric is made: from Hugging Face and GitHub into torch hub's folder,
and through timm and clip into theirs. Here every connection that its thread asks for is refused meanwhile, so a
missing file becomes an error that says which file it is. Checkpoints load with `weights_only=True`, where pyiqa itself
would run code found in them.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import sys
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.base.suggest import unknown
from facesr_bench.functional.channels import check_image
from facesr_bench.images.files import Image8

NOT_OF_ONE_PICTURE = {
    "fid": "compares sets of pictures",
    "sfid": "compares sets of pictures",
    "fid_dinov2": "compares sets of pictures",
    "inception_score": "scores a set of pictures",
    "clipscore": "compares a picture with a text",
}
"""What pyiqa counts as no-reference, and is no quality of one picture."""

NOT_INSTALLED = "pyiqa is not installed: pip install 'facesr-bench[pyiqa]'"
SEED = 123


class _RefusedError(OSError):
    """A connection that was not allowed. An OSError, as a network that is down would raise."""


class _Watch(threading.local):
    """What the audit hook does for the calling thread, and saw there.

    Attributes:
        offline: connections are refused.
        wanted: URLs that were asked for.
        opened: files that were opened.
    """

    offline = False
    wanted: list[str]
    opened: list[str]


_watch = _Watch()
_lock = threading.Lock()
_hooked = False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watch.offline:
        return
    if event == "open" and isinstance(arguments[0], str | os.PathLike):
        _watch.opened.append(os.fspath(arguments[0]))
    elif event == "urllib.Request":
        _watch.wanted.append(str(arguments[0]))
        raise _RefusedError(f"no download of {arguments[0]}")
    elif event in {"socket.connect", "socket.getaddrinfo"}:
        raise _RefusedError(f"no connection: {arguments}")


@contextlib.contextmanager
def _offline() -> Iterator[_Watch]:
    """Let this thread open no connection, and note which files it opens."""
    global _hooked  # noqa: PLW0603  an audit hook can't be taken away again, so there is one
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked = True
    _watch.wanted, _watch.opened, _watch.offline = [], [], True
    try:
        yield _watch
    finally:
        _watch.offline = False


@contextlib.contextmanager
def _careful(said: StringIO) -> Iterator[None]:
    """Tensors only from checkpoints, and the Hugging Face hub's own offline mode; what is printed goes to `said`."""
    from huggingface_hub import constants

    before_hub, before_torch = constants.HF_HUB_OFFLINE, os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
    constants.HF_HUB_OFFLINE = True
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            yield
    finally:
        constants.HF_HUB_OFFLINE = before_hub
        if before_torch is None:
            del os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"]
        else:
            os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = before_torch


def _pyiqa() -> Any:
    try:
        import pyiqa
    except ImportError as error:
        raise MetricError(f"{NOT_INSTALLED} ({error})") from error
    return pyiqa


def names() -> list[str]:
    """Every metric of the installed pyiqa that scores one picture by itself.

    Raises:
        MetricError: pyiqa is not installed.
    """
    return [name for name in _pyiqa().list_models(metric_mode="NR") if name not in NOT_OF_ONE_PICTURE]


def check_name(name: str) -> None:
    """Nothing, if pyiqa has a no-reference metric called `name`.

    Raises:
        MetricError: it has none, or one that needs more than a picture; or pyiqa is not installed.
    """
    known = names()
    if name in known:
        return
    if name in NOT_OF_ONE_PICTURE:
        raise MetricError(f"pyiqa:{name} {NOT_OF_ONE_PICTURE[name]}, so it is no score of one picture")
    if name in _pyiqa().list_models():
        raise MetricError(
            f"pyiqa:{name} compares with a reference; only pyiqa's no-reference metrics are used here, such as niqe "
            "or musiq. With a reference there are psnr, ssim and lpips"
        )
    raise MetricError(unknown("no-reference metric of pyiqa", name, known))


class NoReference:
    """One of pyiqa's no-reference metrics, made once; never downloads.

    Args:
        name: as pyiqa has it: `niqe`, `musiq`, `clipiqa`.
        device: a torch device (`cpu`, `cuda`, `cuda:1`).

    Attributes:
        higher_is_better: the direction, as pyiqa declares it.
        range: (lowest, highest), or none where pyiqa gives no bound or only a rough one.
        files: what was read to make it, from the folders that pyiqa, torch hub, Hugging Face and clip download to.
        version: of pyiqa.

    Raises:
        MetricError: pyiqa or a package that the metric needs is not installed, or no such no-reference metric.
        WeightsError: a file that it needs is not here, or can't be loaded; says how to get it.
    """

    def __init__(self, name: str, device: str = "cpu") -> None:
        check_name(name)
        self.name = name
        self._metric, self.files = _make(name, device)
        self.higher_is_better = not self._metric.lower_better
        self.range = _bounds(self._metric.score_range)
        self.version = str(_pyiqa().__version__)

    def score(self, image: Image8) -> float:
        """The picture's score.

        What a metric draws by chance (patches, crops) is drawn from a fixed seed, so equal pictures score equal.

        Args:
            image: HxWx3 uint8 RGB.

        Raises:
            MetricError: not a uint8 picture, one that the metric can't take (often: too small), or a score of NaN.
        """
        import torch

        picture = np.ascontiguousarray(check_image(image, "SR"))
        inputs = torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32) / 255.0)[None]
        size = f"{picture.shape[1]}x{picture.shape[0]}"
        state = np.random.get_state()  # the global one, from which pyiqa draws
        try:
            with _offline(), torch.random.fork_rng(), torch.inference_mode():
                torch.manual_seed(SEED)
                np.random.seed(SEED)
                output = self._metric(inputs)
        except (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError, OSError) as error:
            raise MetricError(f"pyiqa:{self.name} can't score a {size} picture: {_first_line(error)}") from error
        finally:
            np.random.set_state(state)
        numbers = torch.as_tensor(output[0] if isinstance(output, tuple | list) else output).flatten()
        if len(numbers) != 1 or not torch.isfinite(numbers).all():
            raise MetricError(f"pyiqa:{self.name} gave {numbers.tolist()} for a {size} picture, not one number")
        return float(numbers[0])


def needs_files(name: str) -> list[Path]:
    """The downloaded files that a metric is made from; empty for one that needs none.

    pyiqa has no list of them, so the metric is made (on the CPU) and watched.

    Raises:
        MetricError, WeightsError: as `NoReference`.
    """
    return list(NoReference(name).files)


def _make(name: str, device: str) -> tuple[Any, tuple[Path, ...]]:
    pyiqa = _pyiqa()
    said = StringIO()
    with _lock:
        try:
            with _careful(said), _offline() as watch:
                metric = pyiqa.create_metric(name, device=device)
        except pickle.UnpicklingError as error:
            checkpoint = next((str(path) for path in reversed(_downloaded(watch.opened))), "its checkpoint")
            raise WeightsError(
                f"pyiqa:{name}: {checkpoint} is refused, because it is damaged or holds Python objects that could run "
                "code when loaded"
            ) from error
        except ImportError as error:
            raise MetricError(f"pyiqa:{name} needs a package that is not installed: {error}") from error
        except Exception as error:  # each of timm, clip and Hugging Face has its own way to say that a file is missing
            raise WeightsError(_missing(name, watch.wanted, said.getvalue(), _first_line(error))) from error
        # Who goes on with random weights where a download failed raises nothing.
        if watch.wanted:
            raise WeightsError(_missing(name, watch.wanted, said.getvalue(), ""))
    return metric, _downloaded(watch.opened)


def _missing(name: str, wanted: list[str], said: str, reason: str) -> str:
    """The one line that says what to do.

    Args:
        wanted: URLs that were refused.
        said: what pyiqa and torch hub printed, which is where they would put a download.
        reason: why it failed, where no URL was asked for.
    """
    fetch = f"python -c \"import pyiqa; pyiqa.create_metric('{name}')\""
    if not wanted:
        return (
            f"pyiqa:{name} can't be made: {reason} (where a file is missing: {fetch} on a machine with internet, and "
            f"copy {_torch_folder()} and {_hub_folder()} from there)"
        )
    url = wanted[-1]
    places = dict(re.findall(r'^Downloading: "(.+)" to (.+)$', said, re.MULTILINE))
    if url not in places:
        return f"pyiqa:{name} needs {url}: fetch it once with {fetch} on a machine with internet"
    return (
        f"pyiqa:{name} needs {places[url]}: fetch it with {fetch} on a machine with internet, "
        f"or put a download of {url} there"
    )


def _downloaded(opened: list[str]) -> tuple[Path, ...]:
    """The files among `opened` that lie in a download folder; of a Hugging Face repository, all of its snapshot."""
    folders = [_torch_folder(), _hub_folder(), Path("~/.cache/clip").expanduser()]
    found: dict[Path, None] = {}
    for path in (Path(name) for name in opened):
        if not any(folder in path.absolute().parents for folder in folders) or not path.is_file():
            continue
        if path.parent.name == "refs":
            # Its safetensors are opened by native code, which no hook sees.
            snapshot = path.parent.parent / "snapshots" / path.read_text(encoding="utf-8").strip()
            found |= dict.fromkeys(sorted(file for file in snapshot.rglob("*") if file.is_file()))
        else:
            found[path] = None
    return tuple(found)


def _torch_folder() -> Path:
    import torch

    return Path(torch.hub.get_dir()).absolute()


def _hub_folder() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).absolute()


def _bounds(declared: str | None) -> tuple[float, float] | None:
    """pyiqa writes `0, 100`, and `~0, ~100` where it is only rough."""
    try:
        low, high = (float(part) for part in (declared or "").split(","))
    except ValueError:
        return None
    return low, high


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
