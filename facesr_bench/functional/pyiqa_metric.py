"""pyiqa's metrics of one picture, without a reference or with one (extra `pyiqa`), without its downloads.

pyiqa fetches whatever a metric lacks while the metric is made. Here a metric is made only if all files that it needs
are on this machine: its checkpoint from the weights store, and what its constructor opens by itself (`pyiqa_files`).
Checkpoints are first read as tensors alone, since pyiqa itself would run code found in them.
"""

from __future__ import annotations

import contextlib
import threading
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facesr_bench.base.errors import MetricError, WeightsError, first_line
from facesr_bench.base.hashing import digest
from facesr_bench.base.suggest import unknown
from facesr_bench.functional.channels import check_image, check_pair
from facesr_bench.functional.pyiqa_files import COMPARING, RECIPES, Placed, Recipe
from facesr_bench.images.files import Image8
from facesr_bench.weights import require
from facesr_bench.weights.checkpoints import load_plain

if TYPE_CHECKING:
    from torch import Tensor

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

_lock = threading.Lock()


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


def licence() -> str:
    """The licence that the installed pyiqa declares."""
    from importlib.metadata import metadata

    declared = metadata("pyiqa").json
    return str(declared.get("license_expression") or declared.get("license") or "licence not stated")


def check_name(name: str) -> None:
    """Check that pyiqa has a metric of pictures called `name`, and that it can be made without a download.

    Raises:
        MetricError: it has none, or one that needs more than a picture and its reference, or files that nothing here
            provides; or pyiqa is not installed.
    """
    known = names()
    if name in COMPARING or (name in RECIPES and name in known):
        return
    if name in known:
        raise MetricError(
            f"pyiqa:{name} can't be computed here: pyiqa loads its network through a library that downloads by itself, "
            "from no file that could be checked. docs/metrics.md names those that can be had"
        )
    if name in NOT_OF_ONE_PICTURE:
        raise MetricError(f"pyiqa:{name} {NOT_OF_ONE_PICTURE[name]}, so it is no score of one picture")
    if name in _pyiqa().list_models():
        raise MetricError(
            f"pyiqa:{name} compares with a reference, and needs files that facesr-bench can't provide; those that need "
            f"none: {', '.join(COMPARING)}; and not through pyiqa: psnr, ssim, lpips, dists"
        )
    raise MetricError(unknown("metric of pyiqa", name, [*known, *COMPARING]))


class PyiqaMetric:
    """One of pyiqa's metrics, made once; never downloads.

    Args:
        name: as pyiqa has it: `niqe`, `musiq`, `clipiqa`.
        device: a torch device (`cpu`, `cuda`, `cuda:1`).

    Attributes:
        higher_is_better: the direction, as pyiqa declares it.
        range: (lowest, highest), or None where pyiqa gives no bound or only a rough one.
        files: what it is made from.
        compares: whether it needs a reference.
        version: of pyiqa.

    Raises:
        MetricError: pyiqa or a package that the metric needs is not installed, or no such metric.
        WeightsError: a file that it needs is not here, or can't be loaded; says how to get it.
    """

    def __init__(self, name: str, device: str = "cpu") -> None:
        check_name(name)
        self.name, self.compares = name, name in COMPARING
        self._metric, self.files = _make(name, device)
        self.higher_is_better = not self._metric.lower_better
        self.range = bounds(self._metric.score_range)
        self.version = str(_pyiqa().__version__)

    def score(self, image: Image8, reference: Image8 | None = None) -> float:
        """The picture's score.

        What a metric draws by chance (patches, crops) is drawn from a fixed seed, so equal pictures score equal.

        Args:
            image: HxWx3 uint8 RGB.
            reference: HR of the same size, where the metric compares.

        Raises:
            MetricError: of another size than its reference, not a uint8 picture, one that the metric can't take
                (often: too small), or a score of NaN.
        """
        import torch

        picture = np.ascontiguousarray(check_image(image, "SR"))
        inputs = [_tensor(picture)]
        if self.compares:
            if reference is None:
                raise MetricError(f"pyiqa:{self.name} compares with a reference, and there is none")
            inputs.append(_tensor(check_image(reference, "HR")))
            check_pair(picture, reference.shape)
        size = f"{picture.shape[1]}x{picture.shape[0]}"
        state = np.random.get_state()  # the global one, from which pyiqa draws
        try:
            with torch.random.fork_rng(), torch.inference_mode():
                torch.manual_seed(SEED)
                np.random.seed(SEED)
                output = self._metric(*inputs)
        except (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError, OSError) as error:
            raise MetricError(f"pyiqa:{self.name} can't score a {size} picture: {first_line(error)}") from error
        finally:
            np.random.set_state(state)
        numbers = torch.as_tensor(output[0] if isinstance(output, tuple | list) else output).flatten()
        if len(numbers) != 1 or not torch.isfinite(numbers).all():
            raise MetricError(f"pyiqa:{self.name} gave {numbers.tolist()} for a {size} picture, not one number")
        return float(numbers[0])


def _tensor(picture: Image8) -> Tensor:
    """1x3xHxW float32 in [0, 1]."""
    import torch

    return torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32) / 255.0)[None]


def _make(name: str, device: str) -> tuple[Any, tuple[Path, ...]]:
    recipe = RECIPES.get(name) or COMPARING[name]
    stored = require(f"pyiqa-{name}") if recipe.stored else None
    files = (*([stored] if stored else []), *(_placed(name, file) for file in recipe.placed))
    options = {**recipe.options, **({"pretrained_model_path": str(stored)} if stored else {})}
    with _lock, contextlib.redirect_stdout(StringIO()), contextlib.redirect_stderr(StringIO()):
        for file in files:
            _refuse_code(name, file)
        try:
            metric = _pyiqa().create_metric(name, device=device, **options)
        except ImportError as error:
            raise MetricError(f"pyiqa:{name} needs a package that is not installed: {error}") from error
        except Exception as error:  # each network has its own way to fail at a file of another shape
            named = ", ".join(map(str, files))
            raise WeightsError(f"pyiqa:{name} can't be made from {named}: {first_line(error)}") from error
    if stored is not None:
        _check_complete(name, recipe, metric, stored)
    return metric, files


def _placed(name: str, file: Placed) -> Path:
    """A file that the constructor opens by itself, if it is where that looks for it.

    Raises:
        WeightsError: it is not there, or is another, so that pyiqa would download it.
    """
    path = file.path
    if path.is_file() and digest(path, fresh=True).startswith(file.sha256_prefix):
        return path
    raise WeightsError(f"pyiqa:{name} needs {path}: put a download of {file.url} there")


def _refuse_code(name: str, path: Path) -> None:
    """Read a checkpoint as tensors alone: what that accepts, pyiqa's own reader can't be made to run."""
    from torch import jit

    if path.suffix not in {".pth", ".pt"}:
        return
    try:
        load_plain(path)
    except WeightsError as error:
        try:
            load_program: Any = jit.load
            load_program(str(path), map_location="cpu")  # a TorchScript program holds no pickled code
        except (RuntimeError, ValueError):
            raise WeightsError(f"pyiqa:{name}: {error}") from error


def _check_complete(name: str, recipe: Recipe, metric: Any, path: Path) -> None:
    """Check that a network made without its backbone's weights got them from the checkpoint.

    pyiqa ignores what a checkpoint lacks, which would leave random numbers.
    """
    if recipe.options.get("backbone_pretrain", True):
        return
    held = {key.removeprefix("module.") for key in load_plain(path)["params"]}
    if lacking := [key for key in metric.net.state_dict() if key not in held]:
        raise WeightsError(f"pyiqa:{name}: {path} lacks {len(lacking)} tensors, {lacking[0]} first")


def bounds(declared: str | None) -> tuple[float, float] | None:
    """pyiqa writes `0, 100`, and `~0, ~100` where it is only rough."""
    try:
        low, high = (float(part) for part in (declared or "").split(","))
    except ValueError:
        return None
    return low, high
