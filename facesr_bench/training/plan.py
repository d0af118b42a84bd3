"""From what the user asked for to what will be done: recipe, settings, steps, and the state to go on from."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facesr_bench.base.devices import PRECISIONS, torch_device
from facesr_bench.base.errors import TrainingError
from facesr_bench.training import recipe as recipes
from facesr_bench.training.checkpoints import STATE_FILE, read_state
from facesr_bench.training.config import SIZES, Settings, Value
from facesr_bench.training.data import Faces, read_faces
from facesr_bench.training.log import Say
from facesr_bench.training.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """A training as the user asked for it.

    Attributes:
        method: a name, or the path of a method's folder.
        data: folder of face pictures; None when resuming: the one that the training was begun with.
        out: where checkpoints and log go.
        resume: go on from `out`; whatever is not given here stays as it was.
        steps: in all, also when resuming.
        epochs: the same in epochs.
        minutes: of this start; training may end earlier.
        device: `auto`, or a torch device.
        precision: of the forward pass: `fp32` or `bf16`; None: fp32, or as it was.
        settings: values by name over the recipe's.
        init: safetensors file to start from.
        seed: of weights and samples; None: 0, or as it was.
        devices: how many GPUs (or CPU processes) share each batch.
        cache: where decoded faces are kept; None: `out`.
    """

    method: str
    out: Path
    data: Path | None = None
    resume: bool = False
    steps: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    device: str = "auto"
    precision: str | None = None
    settings: dict[str, Value] = field(default_factory=dict)
    init: Path | None = None
    seed: int | None = None
    devices: int = 1
    cache: Path | None = None


@dataclass(frozen=True)
class Plan:
    """A training whose every choice is made.

    Attributes:
        data: folder of face pictures.
        steps: in all; None where only the time ends it.
        device: a torch device, without number where several are used.
    """

    job: Job
    data: Path
    recipe: Recipe
    settings: Settings
    steps: int | None
    seed: int
    precision: str
    device: str

    def faces(self, say: Say) -> Faces:
        """The pictures; decoded if they are not yet.

        Raises:
            DataError: see `data.read_faces`.
        """
        cache = self.job.cache or self.job.out
        return read_faces(self.data, cache, self.settings.data.face_size, self.settings.schedule.validation, say)

    def fits_card(self) -> bool:
        """Whether the network has the shape that the method's card describes, so that `method@FILE` can load it."""
        return self.settings.network == self.recipe.settings().network


def state_of(job: Job) -> dict[str, Any] | None:
    """The state to go on from; None for a new training.

    Raises:
        TrainingError: there is none to resume, or one that would be overwritten.
    """
    path = job.out / STATE_FILE
    if not job.resume:
        if path.exists():
            raise TrainingError(
                f"{job.out}: holds a training already; go on with --resume, or give another folder with --out"
            )
        return None
    if not path.exists():
        raise TrainingError(f"{path}: nothing to resume; start without --resume")
    if job.init is not None:
        raise TrainingError("--init is for a new training, --resume for one that was begun: give one of them")
    return read_state(path)


def make_plan(job: Job, state: dict[str, Any] | None, say: Say) -> tuple[Plan, Faces]:
    """Decide everything, and read the faces.

    Raises:
        FaceSRBenchError: what the user asked for can't be done.
    """
    saved = state or {}
    recipe = recipes.find(job.method)
    if saved.get("method", recipe.method) != recipe.method:
        raise TrainingError(f"{job.out}: holds a training of {saved['method']}, not of {recipe.method}")
    settings = recipe.settings(saved.get("settings", {}), job.settings)
    if "settings" in saved and (was := recipe.settings(saved["settings"])).network != settings.network:
        name = next(name for name, value in was.network.items() if settings.network[name] != value)
        given = f"{'image_size' if name in SIZES else name}={was.network[name]}"
        raise TrainingError(f"{job.out}: its network was begun with {given}, which can't be changed")
    seed = saved.get("seed", 0 if job.seed is None else job.seed)
    if job.seed is not None and job.seed != seed:
        raise TrainingError(f"{job.out}: was begun with seed {seed}; --seed {job.seed} is for a new training")
    if not 0 <= seed < 2**63:
        raise TrainingError(f"--seed {seed}: must be 0 or more, and less than 2^63")
    precision = job.precision or saved.get("precision", "fp32")
    if precision not in PRECISIONS:
        raise TrainingError(f"--precision {precision}: must be one of {', '.join(PRECISIONS)}")
    _check_amounts(job, settings)
    data = _data_of(job, saved)
    try:
        job.out.mkdir(parents=True, exist_ok=True)
        if job.cache is not None:
            job.cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{error.filename}: can't be made: {error.strerror or error}") from error
    device = torch_device(job.device)
    draft = Plan(job, data, recipe, settings, None, seed, precision, device)
    faces = draft.faces(say)
    if "faces" in saved and saved["faces"] != faces.names_hash():
        raise TrainingError(
            f"{data}: not the pictures that {job.out} was begun with (other names); to go on with other pictures, "
            f"start a new training with --init {job.out}/last.safetensors"
        )
    steps = _total(job, settings, faces, saved, recipe.table.epochs)
    return Plan(job, data, recipe, settings, steps, seed, precision, device), faces


def _data_of(job: Job, saved: dict[str, Any]) -> Path:
    """The folder of pictures.

    Raises:
        TrainingError: none is given, and the state to go on from does not know one, or knows one that is gone.
    """
    if job.data is not None:
        return job.data
    if not job.resume:
        raise TrainingError("--data DIR is needed: the folder of face pictures to train on")
    if "data" not in saved:
        raise TrainingError(f"{job.out}: does not say which pictures it was begun with; give them with --data DIR")
    if not (data := Path(saved["data"])).is_dir():
        raise TrainingError(f"{data}: no such folder, which {job.out} was begun with; give --data DIR if it has moved")
    return data


def _check_amounts(job: Job, settings: Settings) -> None:
    for name in ("steps", "epochs", "minutes", "devices"):
        value = getattr(job, name)
        if value is not None and not 0 < value < math.inf:
            raise TrainingError(f"--{name} {value}: must be a number, more than 0")
    if job.steps is not None and job.epochs is not None:
        raise TrainingError("--steps and --epochs both say how long in all; give one of them")
    if settings.schedule.batch_size % job.devices:
        raise TrainingError(
            f"batch_size={settings.schedule.batch_size} can't be shared by {job.devices} devices; make it a multiple"
        )


def _total(job: Job, settings: Settings, faces: Faces, saved: dict[str, Any], epochs: int) -> int | None:
    batch = settings.schedule.batch_size
    per_epoch = len(faces.train) // batch
    if not per_epoch:
        raise TrainingError(
            f"batch_size={batch}: more than the {len(faces.train)} faces to train on; make it smaller with "
            f"--set batch_size={len(faces.train)}"
        )
    if job.steps is not None:
        return job.steps
    if job.epochs is not None:
        return job.epochs * per_epoch
    if saved.get("steps") is not None:
        return int(saved["steps"])
    if job.minutes is None:
        if "steps" in saved:
            raise TrainingError(
                f"{job.out}: was begun with --minutes alone; say how long to go on, with --minutes, --steps or --epochs"
            )
        return epochs * per_epoch
    if settings.schedule.schedule != "constant":
        raise TrainingError(
            f"schedule={settings.schedule.schedule} needs to know the end: give --steps or --epochs beside --minutes"
        )
    return None
