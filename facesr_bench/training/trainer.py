"""The training loop: steps, validation, checkpoints, and a clean end whatever ends it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from facesr_bench.base.errors import FaceSRBenchError, TrainingError
from facesr_bench.training import checkpoints, ema
from facesr_bench.training.checkpoints import BEST_FILE, LAST_FILE, STATE_FILE
from facesr_bench.training.cpu_convolution import quicken
from facesr_bench.training.data import Batch, Faces, Sampler, default_workers, prefetch
from facesr_bench.training.history import History
from facesr_bench.training.log import Log, Say, progress_line
from facesr_bench.training.objective import Terms, make_objective
from facesr_bench.training.parallel import Processes
from facesr_bench.training.plan import Plan
from facesr_bench.training.schedule import learning_rate
from facesr_bench.training.stopping import Clock, Signals
from facesr_bench.training.validation import luma_psnr, validation_psnr
from facesr_bench.training.watch import DivergedError, Watch
from facesr_bench.weights.checkpoints import load_tensors

AGREE_EVERY = 10
"""Steps between the moments at which several processes agree whether to stop."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        step: steps done in all.
        steps: steps asked for in all; None where only the time was limited.
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


class Trainer:
    """One process' training."""

    def __init__(self, plan: Plan, faces: Faces, state: dict[str, Any] | None, processes: Processes, say: Say) -> None:
        self.plan, self.faces, self.processes, self.say = plan, faces, processes, say
        schedule = plan.settings.schedule
        self.schedule, self.device = schedule, processes.device
        degrade = plan.recipe.degradation(plan.settings.data.scale)
        self.sampler = Sampler(faces, plan.settings.data, schedule.batch_size, plan.seed, degrade)
        if schedule.threads:
            torch.set_num_threads(schedule.threads)
        torch.set_flush_denormal(True)  # a precaution: denormal numbers are slow on CPUs
        torch.manual_seed(plan.seed)
        network = plan.recipe.make_network(plan.settings)
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.init = (
            checkpoints.start_from(self.network, plan.job.init, plan.recipe.method) if plan.job.init is not None else {}
        )
        self.average = deepcopy(self.network).requires_grad_(False)
        if self.device.type == "cpu":
            quicken(self.network, plan.precision)
        if processes.world > 1 and self.device.type == "cuda":
            self.network = nn.SyncBatchNorm.convert_sync_batchnorm(self.network)  # type: ignore[no-untyped-call]
        betas = schedule.beta1, schedule.beta2
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=schedule.lr, betas=betas)
        self.running = processes.wrap(self.network)
        self.objective = make_objective(plan.settings, processes, self._autocast)

        self.step, self.samples, self.seconds = 0, 0, 0.0
        self.best: tuple[float, int] | None = None
        self.psnr: float | None = None
        self.watch = Watch(self.objective.pixel, schedule.divergence, processes)
        self.kept = 0  # the step of the last checkpoint
        # These three are the first process' business.
        self.validation: Batch | None = None
        self.history: History | None = None
        self.log: Log | None = None
        if state is not None:
            self._restore(state)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.precision == "bf16")

    # The loop

    def run(self) -> Outcome:
        """Train to the end, or until the user or the clock stops it.

        Raises:
            DivergedError: training went wrong; names the last good checkpoint.
            TrainingError: it can't go on.
        """
        try:
            return self._run()
        except DivergedError as error:
            raise DivergedError(f"{error}; {self._last_good()}") from error

    def _run(self) -> Outcome:
        plan, rank, world = self.plan, self.processes.rank, self.processes.world
        over = plan.steps is not None and self.step >= plan.steps
        with self._together():
            if rank == 0:
                self._begin(over=over)
        if over:
            return Outcome(self.step, plan.steps, self.best)

        def make(step: int) -> Batch:
            batch = self.sampler.batch(step, rank, world)
            return (batch[0].pin_memory(), batch[1].pin_memory()) if self.device.type == "cuda" else batch

        workers = self.schedule.workers or default_workers()
        clock = Clock(self.step, plan.job.minutes)
        with Signals() as signals, prefetch(make, self.step, plan.steps, workers) as take:
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

    def _begin(self, *, over: bool) -> None:
        """What the first process does before the first step.

        Args:
            over: there will be none.
        """
        self.validation = self._to_device(self.sampler.validation())
        bicubic = float(luma_psnr(*self.validation).mean())
        self.history = History(self.plan, self.faces, str(self.device), self.processes.world, bicubic, self.init)
        self.log = Log(self.plan.job.out, self.step, self.say)
        if over:
            self.say(f"nothing to do: step {self.step:,} of {self.plan.steps:,} is reached; give more --steps")
            if self.psnr is None:
                # The state is an older release's. Now its weights are described in the file itself.
                self._validate(self.validation)
                self._write_weights(LAST_FILE)
            self.log.close()
            return
        self.log.line(self.history.start(self.step))
        for line in self.history.announcement(self.step, sum(p.numel() for p in self.network.parameters())):
            self.say(line)

    @contextmanager
    def _together(self) -> Iterator[None]:
        """What one process can't do ends the others too, which would wait for it for ever.

        Around what may fail in one process alone; never around what the processes do together.

        Raises:
            FaceSRBenchError: this process' own; a TrainingError if it was another's.
        """
        own: FaceSRBenchError | None = None
        try:
            yield
        except FaceSRBenchError as error:
            own = error
        if self.processes.any(own is not None):
            raise own or TrainingError(f"step {self.step}: another of the {self.processes.world} processes failed")

    def _at_boundary(self, clock: Clock, *, ended: bool, stopped: bool) -> None:
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
        self.watch.fetch(self.step)
        spent, steps = clock.lap(self.step)
        self.seconds += spent
        means = self.watch.close_interval(self.step) if at_log else {}
        with self._together():
            if at_validation and self.validation is not None:
                self._validate(self.validation)
            if at_log and self.log is not None:
                speed = steps * self.schedule.batch_size / max(spent, 1e-9)
                left = clock.seconds_left(self.step, self.plan.steps)
                self._tell(self.log, means, speed, left, validated=at_validation)
        if at_save or stopped:
            self._save()
        clock.go_on()

    def _train_on(self, batch: Batch, *, first: bool) -> None:
        """One step.

        Args:
            first: of this start.

        Raises:
            TrainingError: not even the first can be done.
            DivergedError: a loss is not finite.
        """
        rated = [(self.optimizer, self.schedule.lr), *self.objective.optimizers.values()]
        for optimizer, base in rated:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(base, self.step, self.plan.steps, self.schedule)
        try:
            terms = self._losses_of(batch)
        except (RuntimeError, ValueError) as error:
            if not first:
                raise
            # A size that a network can't take, or not with this memory: the user's to mend.
            raise TrainingError(
                f"the network can't be trained with image_size={self.plan.settings.data.image_size} and "
                f"batch_size={self.schedule.batch_size}: {str(error).splitlines()[0]}"
            ) from error
        self.step += 1
        self.samples += self.schedule.batch_size
        ema.update(self.average, self.network, self.schedule.ema, self.step)
        self.watch.add(terms)
        if self.device.type == "cpu" and self.processes.world == 1:  # it costs nothing there to look at once
            self.watch.fetch(self.step)

    def _losses_of(self, batch: Batch) -> Terms:
        """The network's turn, and the turn of those that are trained along."""
        inputs, targets = batch
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            sr = self.running(inputs).float()
        loss, terms = self.objective.loss(sr, targets)
        self.processes.backward(loss)
        self.optimizer.step()
        return terms | self.objective.after(sr.detach(), targets)

    # Validation and log

    def _validate(self, validation: Batch) -> None:
        """Measure the average's PSNR; keep its weights if they are the best so far.

        Raises:
            DivergedError: the PSNR is not finite.
        """
        self.psnr = validation_psnr(self.average, validation, self._autocast)
        if not np.isfinite(self.psnr):
            raise DivergedError(f"step {self.step}: the validation PSNR is {self.psnr}")
        if self.best is None or self.psnr > self.best[0]:
            self.best = self.psnr, self.step
            self._write_weights(BEST_FILE)

    def _tell(self, log: Log, means: dict[str, float], speed: float, left: float | None, *, validated: bool) -> None:
        rate = learning_rate(self.schedule.lr, self.step - 1, self.plan.steps, self.schedule)
        log.line(
            {
                "step": self.step,
                **{name: round(value, 5) for name, value in means.items()},
                "lr": rate,
                "samples": self.samples,
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
        with self._together():
            if not checkpoints.all_finite(state):
                raise DivergedError(f"step {self.step}: a weight or a gradient is not finite")
        self._check_agreement()
        with self._together():
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
            "samples": self.samples,
            "seconds": self.seconds,
            "init": self.init,
            "along": {name: network.state_dict() for name, network in self.objective.networks.items()},
            "along_optimizers": {name: o.state_dict() for name, (o, _) in self.objective.optimizers.items()},
            "method": plan.recipe.method,
            "settings": plan.settings.flat(),
            "steps": plan.steps,
            "seed": plan.seed,
            "precision": plan.precision,
            "data": str(plan.data),
            "faces": self.faces.names_hash(),
            "best": list(self.best) if self.best is not None else None,
            "psnr": self.psnr,
            **self.watch.state(),
            "rng": {"cpu": torch.get_rng_state(), "cuda": list(torch.cuda.get_rng_state_all())},
        }

    def _restore(self, state: dict[str, Any]) -> None:
        path = self.plan.job.out / STATE_FILE
        method = self.plan.recipe.method
        load_tensors(self.network, state["network"], path, method)
        load_tensors(self.average, state["average"], path, method)
        betas = self.schedule.beta1, self.schedule.beta2
        checkpoints.load_optimizer(self.optimizer, state["optimizer"], betas)
        for name, network in self.objective.networks.items():
            if name not in state.get("along", {}):
                raise TrainingError(f"{path}: has no {name}; it is a training with another objective")
            load_tensors(network, state["along"][name], path, f"the {name} of {method}")
            checkpoints.load_optimizer(self.objective.optimizers[name][0], state["along_optimizers"][name], betas)
        self.step, self.seconds, self.kept = state["step"], state["seconds"], state["step"]
        was: dict[str, Any] = state.get("settings", {})
        # Older states don't count samples.
        self.samples = state.get("samples", self.step * was.get("batch_size", self.schedule.batch_size))
        self.init = state.get("init", {})
        self.best = (state["best"][0], state["best"][1]) if state.get("best") else None
        self.psnr = state.get("psnr")
        if was.get("loss", self.objective.pixel) == self.objective.pixel:  # another loss has another scale
            self.watch.restore(state)
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
        assert self.history is not None  # only the first process writes
        metadata = self.history.metadata(step=self.step, samples=self.samples, seconds=self.seconds, psnr=self.psnr)
        checkpoints.write_weights(self.plan.job.out / name, self.average, metadata)

    def _last_good(self) -> str:
        if not self.kept:
            return "no checkpoint had been written yet. A lower rate may help: --set lr=..."
        path = self.plan.job.out / STATE_FILE
        return f"the last good checkpoint is {path} (step {self.kept}). Go on from it with --resume --set lr=..."

    def _to_device(self, batch: Batch) -> Batch:
        inputs, targets = (t.to(self.device, non_blocking=True) for t in batch)
        return inputs, targets
