"""The training loop: steps, the log, validation, checkpoints, and a clean end whatever ends it."""

from __future__ import annotations

import json
import signal
import threading
import time
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from facesr_bench.errors import FaceSRBenchError, TrainingError
from facesr_bench.training import checkpoints, ema
from facesr_bench.training.checkpoints import BEST_FILE, LAST_FILE, STATE_FILE
from facesr_bench.training.config import AdversarialSettings
from facesr_bench.training.cpu_convolution import quicken
from facesr_bench.training.data import Batch, Faces, Sampler, default_workers, prefetch
from facesr_bench.training.log import Log, Say, machine, progress_line
from facesr_bench.training.objective import make_objective
from facesr_bench.training.parallel import FabricProcesses, OneProcess, Processes
from facesr_bench.training.plan import Job, Plan, make_plan, state_of
from facesr_bench.training.schedule import learning_rate

AGREE_EVERY = 10
"""Steps between the moments at which several processes agree whether to stop."""


class DivergedError(TrainingError):
    """A loss that is not finite, or far above where it was."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        step: steps done in all.
        steps: steps asked for in all; none where only the time was limited.
        best: highest validation PSNR (dB) and its step.
        signal: the signal that stopped it, or 0.
        error: the message of what failed in one of several processes, or empty.
        diverged: whether that was a DivergedError.
    """

    step: int
    steps: int | None
    best: tuple[float, int] | None = None
    signal: int = 0
    error: str = ""
    diverged: bool = False


def train(job: Job, say: Say) -> Outcome:
    """Train, or go on training.

    Args:
        say: takes every line meant for people.

    Raises:
        DivergedError: training went wrong; names the last good checkpoint.
        FaceSRBenchError: it can't be done as asked.
    """
    state = state_of(job)
    plan, faces = make_plan(job, state, say)
    if job.devices == 1:
        return _Trainer(plan, faces, state, OneProcess(plan.device), say).run()
    outcome = _launch(plan)
    if outcome.error:
        raise (DivergedError if outcome.diverged else TrainingError)(outcome.error)
    return outcome


def _launch(plan: Plan) -> Outcome:
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise TrainingError(
            f"--devices {plan.job.devices} needs Lightning Fabric: pip install 'facesr-bench[train]' "
            "(or lightning-fabric)"
        ) from error
    if plan.device.startswith("cuda") and torch.cuda.device_count() < plan.job.devices:
        raise TrainingError(f"--devices {plan.job.devices}: there are {torch.cuda.device_count()} CUDA device(s) here")
    accelerator = "cuda" if plan.device.startswith("cuda") else "cpu"
    fabric = Fabric(accelerator=accelerator, devices=plan.job.devices, strategy="ddp_spawn")
    # Ctrl-C reaches every process of the terminal's group: the workers save and end, and this one waits for them.
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN) if _in_main_thread() else None
    try:
        # Bound to its plan beforehand: Fabric looks into what it hands on, and refuses frozen dataclasses.
        outcome = Outcome(**cast(Any, fabric).launch(partial(_work, plan=plan)))
    except ProcessRaisedException as error:
        raise TrainingError(f"one of the training's processes failed:\n{error}") from error
    except ProcessExitedException as error:
        raise TrainingError(f"one of the training's processes ended: {error}") from error
    finally:
        if previous is not None:
            signal.signal(signal.SIGINT, previous)
    return outcome


def _work(fabric: Any, plan: Plan) -> dict[str, Any]:
    """What each process does; gives the fields of an Outcome."""
    processes = FabricProcesses(fabric)

    def say(line: str) -> None:
        if processes.rank == 0:
            print(line, flush=True)  # noqa: T201

    try:
        state = state_of(plan.job)
        outcome = _Trainer(plan, plan.faces(say), state, processes, say).run()
    except FaceSRBenchError as error:  # exceptions of a process arrive as text; this one is for the user
        outcome = Outcome(0, plan.steps, error=str(error), diverged=isinstance(error, DivergedError))
    return asdict(outcome)


class _Trainer:
    """One process' training."""

    def __init__(self, plan: Plan, faces: Faces, state: dict[str, Any] | None, processes: Processes, say: Say) -> None:
        self.plan, self.faces, self.processes, self.say = plan, faces, processes, say
        schedule = plan.settings.schedule
        self.schedule, self.device = schedule, processes.device
        self.sampler = Sampler(faces, plan.settings.data, schedule.batch_size, plan.seed)
        if schedule.threads:
            torch.set_num_threads(schedule.threads)
        torch.set_flush_denormal(True)  # a precaution: denormal numbers are slow on CPUs
        torch.manual_seed(plan.seed)
        network = plan.recipe.make_network(plan.settings)
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if plan.job.init is not None:
            checkpoints.start_from(self.network, plan.job.init)
        self.average = deepcopy(self.network).requires_grad_(False)
        if self.device.type == "cpu":
            quicken(self.network, plan.precision)
        if processes.world > 1 and self.device.type == "cuda":
            self.network = nn.SyncBatchNorm.convert_sync_batchnorm(self.network)  # type: ignore[no-untyped-call]
        betas = schedule.beta1, schedule.beta2
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=schedule.lr, betas=betas)
        self.running = processes.wrap(self.network)
        self.objective = make_objective(plan.settings, processes, self._autocast)

        self.step, self.seconds = 0, 0.0
        self.best: tuple[float, int] | None = None
        self.psnr: float | None = None
        # Of the pixel loss: the mean of the first log interval, and the lowest of any.
        self.first: float | None = None
        self.lowest: float | None = None
        self.losses: dict[str, list[float]] = {}  # since the last line of the log
        self.pending: list[dict[str, Tensor]] = []  # not yet fetched from the device
        self.kept = 0  # the step of the last checkpoint
        self.validation: Batch | None = None  # this and the log are the first process' business
        self.log: Log | None = None
        if state is not None:
            self._restore(state)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.precision == "bf16")

    # The loop

    def run(self) -> Outcome:
        plan, rank, world = self.plan, self.processes.rank, self.processes.world
        if rank == 0:
            self.validation = self._to_device(self.sampler.validation())
            self.log = Log(plan.job.out, self.step, self.say)
            self._announce(self.log, self.validation)

        def make(step: int) -> Batch:
            batch = self.sampler.batch(step, rank, world)
            return (batch[0].pin_memory(), batch[1].pin_memory()) if self.device.type == "cuda" else batch

        workers = self.schedule.workers or default_workers()
        clock = _Clock(self.step, plan.job.minutes)
        if plan.steps is not None and self.step >= plan.steps:
            self._end_at_once()
            return Outcome(self.step, plan.steps, self.best)
        with _Signals() as signals, prefetch(make, self.step, plan.steps, workers) as take:
            done = False
            while not done:
                self._train_on(self._to_device(take()), first=self.step == clock.start)
                late = stopped = False
                if world == 1 or self.step % AGREE_EVERY == 0:
                    late, stopped = self.processes.any(clock.late), self.processes.any(bool(signals.received))
                ended = late or (plan.steps is not None and self.step >= plan.steps)
                done = ended or stopped
                self._at_boundary(clock, ended=ended, stopped=stopped)
        if self.log is not None:
            self.log.close()
        return Outcome(self.step, plan.steps, self.best, signals.received)

    def _at_boundary(self, clock: _Clock, *, ended: bool, stopped: bool) -> None:
        """After a step: log, validate and save, where it is time for that.

        Args:
            ended: training is over.
            stopped: the user wants it to stop here.
        """
        at_log, at_save, at_validation = (
            ended or self.step % every == 0
            for every in (self.schedule.log_every, self.schedule.save_every, self.schedule.validate_every)
        )
        if not (at_log or at_save or at_validation or stopped):
            return
        self._fetch_losses()
        spent, steps = clock.lap(self.step)
        self.seconds += spent
        means = self._close_interval() if at_log else {}
        if at_validation and self.validation is not None:
            self._validate(self.validation)
        if at_log and self.log is not None:
            speed = steps * self.schedule.batch_size / max(spent, 1e-9)
            self._tell(self.log, means, speed, clock.seconds_left(self.step, self.plan.steps), validated=at_validation)
        if at_save or stopped:
            self._save()
        clock.go_on()

    def _end_at_once(self) -> None:
        """Every step was done before this start."""
        self.say(f"nothing to do: step {self.step:,} of {self.plan.steps:,} is reached; give more --steps")
        if self.psnr is None and self.validation is not None:
            # The state is an older release's. Now its weights are described in the file itself.
            self._validate(self.validation)
            self._write_weights(LAST_FILE)
        if self.log is not None:
            self.log.close()

    def _train_on(self, batch: Batch, *, first: bool) -> None:
        inputs, targets = batch
        plan = self.plan
        rated = [(self.optimizer, self.schedule.lr), *self.objective.optimizers.values()]
        for optimizer, base in rated:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(base, self.step, plan.steps, self.schedule)
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        try:
            with self._autocast():
                sr = self.running(inputs).float()
        except (RuntimeError, ValueError) as error:
            if not first:
                raise
            # A size that the network can't take, or not with this memory: the user's to mend.
            raise TrainingError(
                f"the network can't be trained with image_size={plan.settings.data.image_size} and "
                f"batch_size={self.schedule.batch_size}: {str(error).splitlines()[0]}"
            ) from error
        loss, terms = self.objective.loss(sr, targets)
        self.processes.backward(loss)
        self.optimizer.step()
        terms |= self.objective.after(sr.detach(), targets)
        self.step += 1
        ema.update(self.average, self.network, self.schedule.ema, self.step)
        self.pending.append(terms)
        if self.device.type == "cpu" and self.processes.world == 1:  # it costs nothing there to look at once
            self._fetch_losses()

    # Losses

    def _fetch_losses(self) -> None:
        """Bring the losses of the steps since the last time from the device, averaged over the processes.

        Raises:
            DivergedError: one is not finite.
        """
        if not self.pending:
            return
        names = list(self.pending[0])
        table = torch.stack([torch.stack([terms[name].float() for name in names]) for terms in self.pending])
        rows = self.processes.mean(table).tolist()
        first_step = self.step - len(rows) + 1
        self.pending.clear()
        for i, row in enumerate(rows):
            for name, value in zip(names, row, strict=True):
                if not np.isfinite(value):
                    raise DivergedError(f"step {first_step + i}: the loss {name!r} is {value}; {self._last_good()}")
                self.losses.setdefault(name, []).append(value)

    def _close_interval(self) -> dict[str, float]:
        """The mean of each loss since the last line of the log.

        Raises:
            DivergedError: the pixel loss is far above where it was.
        """
        means = {name: float(np.mean(values)) for name, values in self.losses.items()}
        self.losses.clear()
        if (now := means.get(self.objective.pixel)) is not None:
            self.first = now if self.first is None else self.first
            self.lowest = now if self.lowest is None else min(now, self.lowest)
            limit = self.schedule.divergence
            if limit and now > self.first and now > limit * self.lowest:
                raise DivergedError(
                    f"step {self.step}: the loss {self.objective.pixel!r} has diverged: {now:.4g}, after "
                    f"{self.lowest:.4g} at its lowest (--set divergence=0 lets it go on); {self._last_good()}"
                )
        return means

    def _last_good(self) -> str:
        if not self.kept:
            return "no checkpoint had been written yet. A lower rate may help: --set lr=..."
        path = self.plan.job.out / STATE_FILE
        return f"the last good checkpoint is {path} (step {self.kept}). Go on from it with --resume --set lr=..."

    # Validation and log

    def _validate(self, validation: Batch) -> None:
        """Measure the average's PSNR; keep its weights if they are the best so far.

        Raises:
            DivergedError: the PSNR is not finite.
        """
        # As many pixels at a time as 16 pictures of 128 px have.
        at_once = max(1, 16 * 128**2 // self.plan.settings.data.image_size**2)
        self.average.eval()
        with torch.inference_mode():
            scores = []
            for x, y in zip(torch.split(validation[0], at_once), torch.split(validation[1], at_once), strict=True):
                with self._autocast():
                    sr = self.average(x)
                scores.append(luma_psnr(sr.float(), y))
        self.psnr = float(torch.cat(scores).mean())
        if not np.isfinite(self.psnr):
            raise DivergedError(f"step {self.step}: the validation PSNR is {self.psnr}; {self._last_good()}")
        if self.best is None or self.psnr > self.best[0]:
            self.best = self.psnr, self.step
            self._write_weights(BEST_FILE)

    def _announce(self, log: Log, validation: Batch) -> None:
        plan, job = self.plan, self.plan.job
        self.bicubic = float(luma_psnr(*validation).mean())
        log.line(
            {
                "step": self.step,
                "bicubic_psnr": round(self.bicubic, 4),
                "train": len(self.faces.train),
                "validation": len(self.faces.held_out),
                "arguments": {
                    "method": plan.recipe.method,
                    "steps": plan.steps,
                    "minutes": job.minutes,
                    "seed": plan.seed,
                    "precision": plan.precision,
                    "devices": self.processes.world,
                    "init": job.init.name if job.init is not None else None,
                },
                "settings": self._settings_without_folders(),
                "environment": machine(str(self.device)),
            }
        )
        parameters = sum(p.numel() for p in self.network.parameters())
        until = f"to step {plan.steps:,}" if plan.steps is not None else f"for {job.minutes:g} minutes"
        self.say(
            f"training {plan.recipe.method} ({parameters / 1e6:.2f} M parameters) from step {self.step:,} {until}, "
            f"batch {self.schedule.batch_size}, on {self.processes.world} x {self.device.type}, {plan.precision}; "
            f"{len(self.faces.train):,} faces, {len(self.faces.held_out)} held out (bicubic: {self.bicubic:.2f} dB)"
        )
        if not plan.fits_card():
            self.say(
                f"note: this network has not the shape that the card of {plan.recipe.method} describes, so "
                f"{plan.recipe.method}@FILE can't load it"
            )

    def _tell(self, log: Log, means: dict[str, float], speed: float, left: float | None, *, validated: bool) -> None:
        rate = learning_rate(self.schedule.lr, self.step - 1, self.plan.steps, self.schedule)
        log.line(
            {
                "step": self.step,
                **{name: round(value, 5) for name, value in means.items()},
                "lr": rate,
                "samples": self.step * self.schedule.batch_size,
                "seconds": round(self.seconds),
                "images_per_second": round(speed, 2),
                "psnr": round(self.psnr, 4) if validated and self.psnr is not None else None,
            }
        )
        self.say(progress_line(self.step, self.plan.steps, means, speed, self.psnr, self.best, left))

    # Checkpoints

    def _save(self) -> None:
        """Write `last.safetensors` and, as what makes the step count, `last.pt`.

        Raises:
            DivergedError: a weight is not finite; nothing is written.
            TrainingError: the processes' weights differ, or the disk is full.
        """
        state = self._state()
        if not _all_finite(state):
            raise DivergedError(f"step {self.step}: a weight or a gradient is not finite; {self._last_good()}")
        self._check_agreement()
        if self.processes.rank == 0:
            self._write_weights(LAST_FILE)
            checkpoints.write_state(self.plan.job.out / STATE_FILE, state)
        self.kept = self.step

    def _state(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "along": {name: network.state_dict() for name, network in self.objective.networks.items()},
            "along_optimizers": {name: o.state_dict() for name, (o, _) in self.objective.optimizers.items()},
            "method": plan.recipe.method,
            "settings": plan.settings.flat(),
            "steps": plan.steps,
            "seed": plan.seed,
            "precision": plan.precision,
            "faces": self.faces.names_hash(),
            "best": list(self.best) if self.best is not None else None,
            "psnr": self.psnr,
            "first": self.first,
            "lowest": self.lowest,
            "losses": self.losses,
            "rng": {"cpu": torch.get_rng_state(), "cuda": list(torch.cuda.get_rng_state_all())},
        }

    def _restore(self, state: dict[str, Any]) -> None:
        path = self.plan.job.out / STATE_FILE
        checkpoints.load(self.network, state["network"], path)
        checkpoints.load(self.average, state["average"], path)
        self.optimizer.load_state_dict(state["optimizer"])
        for name, network in self.objective.networks.items():
            if name not in state.get("along", {}):
                raise TrainingError(f"{path}: has no {name}; it is a training with another objective")
            checkpoints.load(network, state["along"][name], path)
            self.objective.optimizers[name][0].load_state_dict(state["along_optimizers"][name])
        self.step, self.seconds, self.kept = state["step"], state["seconds"], state["step"]
        self.best = (state["best"][0], state["best"][1]) if state.get("best") else None
        self.psnr, self.first, self.lowest = state.get("psnr"), state.get("first"), state.get("lowest")
        self.losses = {name: list(values) for name, values in state.get("losses", {}).items()}
        if "rng" in state:
            torch.set_rng_state(state["rng"]["cpu"])
            if state["rng"]["cuda"] and len(state["rng"]["cuda"]) == torch.cuda.device_count():
                torch.cuda.set_rng_state_all(state["rng"]["cuda"])

    def _check_agreement(self) -> None:
        if self.processes.world == 1:
            return
        own = torch.stack([p.detach().double().abs().sum() for p in self.network.parameters()])
        off = (self.processes.mean(own) - own).abs() > 1e-9 * own
        if self.processes.any(bool(off.any())):
            raise TrainingError(f"step {self.step}: the weights of the {self.processes.world} processes differ")

    def _write_weights(self, name: str) -> None:
        checkpoints.write_weights(self.plan.job.out / name, self.average, self._metadata())

    def _metadata(self) -> dict[str, str]:
        """What a weights file says of itself; `weights export` builds on it."""
        plan = self.plan
        known = machine(str(self.device))
        fields = {
            "method": plan.recipe.method,
            "data": f"{len(self.faces.train)} pictures of the folder {plan.job.data.resolve().name}",
            "training_images": len(self.faces.train),
            "steps": self.step,
            "samples": self.step * self.schedule.batch_size,
            "seconds": round(self.seconds),
            "losses": self._losses_in_words(),
            "validation_psnr": round(self.psnr, 4) if self.psnr is not None else None,
            "validation_psnr_bicubic": round(self.bicubic, 4),
            "seed": plan.seed,
            "precision": plan.precision,
            "commit": known["commit"],
            "settings": json.dumps(self._settings_without_folders()),
        }
        return {name: str(value) for name, value in fields.items() if value is not None}

    def _settings_without_folders(self) -> dict[str, Any]:
        """The settings for log and metadata: what lies where on this machine is nobody's business."""
        settings = self.plan.settings.flat()
        return {**settings, "vgg19": Path(str(settings["vgg19"])).name} if "vgg19" in settings else settings

    def _losses_in_words(self) -> str:
        terms = self.plan.settings.objective
        if not isinstance(terms, AdversarialSettings):
            return terms.loss
        weighted = {
            terms.loss: terms.pixel,
            "hinge adversarial": terms.adversarial,
            "feature matching": terms.feature_matching,
            "VGG19 perceptual": terms.perceptual,
        }
        return ", ".join(f"{name} x{weight:g}" for name, weight in weighted.items() if weight)

    def _to_device(self, batch: Batch) -> Batch:
        inputs, targets = (t.to(self.device, non_blocking=True) for t in batch)
        return inputs, targets


def luma_psnr(sr: Tensor, hr: Tensor) -> Tensor:
    """PSNR in dB of each image on BT.601 luma, for images in [-1, 1]; used to watch training, not to report."""
    weights = torch.tensor([65.481, 128.553, 24.966]).view(1, 3, 1, 1).to(sr) / 2
    error = ((sr.clamp(-1, 1) - hr) * weights).sum(1)
    return 10 * torch.log10(255.0**2 / error.square().mean((1, 2)))


def _all_finite(value: Any) -> bool:
    if isinstance(value, Tensor):
        return not value.is_floating_point() or bool(torch.isfinite(value).all())
    if isinstance(value, dict):
        return all(_all_finite(v) for v in value.values())
    return not isinstance(value, (list, tuple)) or all(_all_finite(v) for v in value)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


class _Clock:
    """Times the steps of one start, without what is done between them.

    Args:
        step: where it starts.
        minutes: when it shall be late; none: never.

    Attributes:
        start: the step where it starts.
    """

    def __init__(self, step: int, minutes: float | None) -> None:
        self._deadline = time.monotonic() + 60 * minutes if minutes is not None else None
        self.start, self._mark_step = step, step
        self._mark = time.perf_counter()
        self._spent = 0.0

    @property
    def late(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def lap(self, step: int) -> tuple[float, int]:
        """(seconds, steps) since the last `go_on`."""
        seconds, steps = time.perf_counter() - self._mark, step - self._mark_step
        self._spent += seconds
        self._mark_step = step
        return seconds, steps

    def go_on(self) -> None:
        self._mark = time.perf_counter()

    def seconds_left(self, step: int, steps: int | None) -> float | None:
        """Until the end, by what steps have taken so far; none where no end is known."""
        ends = []
        if steps is not None:
            ends.append((steps - step) * self._spent / max(1, step - self.start))
        if self._deadline is not None:
            ends.append(max(0.0, self._deadline - time.monotonic()))
        return min(ends, default=None)


class _Signals:
    """Takes SIGINT and SIGTERM until the step is done, so that what is saved is whole; a second SIGINT ends at once.

    Attributes:
        received: the signal's number, or 0.
    """

    def __init__(self) -> None:
        self.received = 0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> _Signals:
        if _in_main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
