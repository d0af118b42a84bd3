"""A training from start to end, in this process or in several."""

from __future__ import annotations

import signal
from dataclasses import asdict
from functools import partial
from typing import Any, cast

import torch
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from facesr_bench.base.errors import FaceSRBenchError, TrainingError
from facesr_bench.base.text import counted
from facesr_bench.training.log import Say, to_screen
from facesr_bench.training.parallel import FabricProcesses, OneProcess
from facesr_bench.training.plan import Job, Plan, make_plan, state_of
from facesr_bench.training.stopping import in_main_thread
from facesr_bench.training.trainer import Outcome, Trainer
from facesr_bench.training.watch import DivergedError


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
        return Trainer(plan, faces, state, OneProcess(plan.device), say).run()
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
        raise TrainingError(
            f"--devices {plan.job.devices}: there are {counted(torch.cuda.device_count(), 'CUDA device')} here"
        )
    accelerator = "cuda" if plan.device.startswith("cuda") else "cpu"
    fabric = Fabric(accelerator=accelerator, devices=plan.job.devices, strategy="ddp_spawn")
    # Ctrl-C reaches every process of the terminal's group: the workers save and end, and this one waits for them.
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread() else None
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
            to_screen(line)

    try:
        state = state_of(plan.job)
        outcome = Trainer(plan, plan.faces(say), state, processes, say).run()
    except FaceSRBenchError as error:  # exceptions of a process arrive as text; this one is for the user
        outcome = Outcome(0, plan.steps, error=str(error), diverged=isinstance(error, DivergedError))
    processes.end()
    return asdict(outcome)
