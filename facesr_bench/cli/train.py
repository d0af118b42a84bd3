"""`facesr-bench train`

A checkout runs it with torch, numpy, Pillow, safetensors and pydantic alone, as `python -m facesr_bench train`.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from facesr_bench.base.devices import PRECISIONS
from facesr_bench.base.environment import program
from facesr_bench.base.errors import TrainingError
from facesr_bench.cli import FAILED, OK, as_json
from facesr_bench.cli.as_json import add_json
from facesr_bench.cli.options import number, whole

EXAMPLES = """examples:
  {prog} sparnet --data ~/faces --out runs/sparnet
      the recipe's epochs on a GPU if there is one; checkpoints and log in runs/sparnet
  {prog} sparnet --out runs/sparnet --resume --steps 20000
      go on to 20,000 steps in all; what is not given stays as it was
  {prog} sparnet --data ~/faces --out runs/cpu --minutes 60 --set batch_size=4 --set lr=4e-4 --set ema=0.995
  {prog} sparnet --data ~/faces --out runs/l2 --steps 5000 --set loss=l2 --set schedule=cosine --precision bf16
  {prog} sparnethd --data ~/ffhq --out runs/hd --devices 4 --set batch_size=16 --set vgg19=vgg19-dcbb9e9d.pth
  {prog} sparnet --list-settings
      what --set knows, with the values that hold unless you say otherwise

then:
  facesr-bench run --methods sparnet@runs/sparnet/best.safetensors,bicubic
  facesr-bench weights export runs/sparnet/best.safetensors --out sparnet.safetensors --licence "research use only"

Ctrl-C finishes the step, saves, and says how to go on. Exit status: 0 all well, 1 the loss is not finite or has
diverged (the last good checkpoint is kept), 2 misuse, 130 stopped by Ctrl-C."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES.format(prog=" ".join([*program(), "train"]))
    parser.add_argument("method", help="a method with a recipe (sparnet, sparnethd, ...), or the folder of one")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of face pictures, and those in it (resuming: as it was)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="checkpoints and log (default: runs/METHOD)")
    parser.add_argument("--resume", action="store_true", help="go on from --out, with its pictures and settings")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=whole, metavar="N", help="in all, also when resuming")
    length.add_argument("--epochs", type=whole, metavar="N", help="in all, also when resuming")
    parser.add_argument("--minutes", type=number, metavar="M", help="of this start, at most")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    parser.add_argument("--devices", type=whole, default=1, metavar="N", help="share each batch among N (default: 1)")
    parser.add_argument("--precision", choices=PRECISIONS, help=f"of the forward pass (default: {PRECISIONS[0]})")
    parser.add_argument(
        "--set", action="append", default=[], dest="assignments", metavar="KEY=VALUE", help="change a setting"
    )
    parser.add_argument("--init", type=Path, metavar="FILE", help="a checkpoint: the weights to start from")
    parser.add_argument("--seed", type=whole, metavar="N", help="of weights and samples (default: 0)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="decoded pictures, shared by runs (default: --out)")
    parser.add_argument("--list-settings", action="store_true", help="print what --set knows, and end")
    add_json(parser, "with --list-settings: a list of objects")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Train as asked; the exit status."""
    from facesr_bench.training.config import describe, parse_assignments
    from facesr_bench.training.recipe import find

    settings = parse_assignments(arguments.assignments)
    recipe = find(arguments.method)
    if arguments.json and not arguments.list_settings:
        raise TrainingError("--json is of --list-settings; a training writes log.jsonl beside its checkpoints")
    if arguments.list_settings and arguments.json:
        described = describe(recipe.settings(settings))
        as_json.write([{"name": name, "value": value, "help": text} for name, value, text in described])
        return OK
    if arguments.list_settings:
        for name, value, text in describe(recipe.settings(settings)):
            print(f"{name + '=' + str(value):32} {text}")  # noqa: T201
        return OK

    from facesr_bench.training.launch import train
    from facesr_bench.training.log import to_screen
    from facesr_bench.training.plan import Job
    from facesr_bench.training.watch import DivergedError

    job = Job(
        method=arguments.method,
        data=_expanded(arguments.data),
        out=(arguments.out or Path("runs") / recipe.method).expanduser(),
        resume=arguments.resume,
        steps=arguments.steps,
        epochs=arguments.epochs,
        minutes=arguments.minutes,
        device=arguments.device,
        precision=arguments.precision,
        settings=settings,
        init=_expanded(arguments.init),
        seed=arguments.seed,
        devices=arguments.devices,
        cache=_expanded(arguments.cache),
    )
    try:
        outcome = train(job, to_screen)
    except DivergedError as error:
        print(f"facesr-bench: stopped: {error}", file=sys.stderr)  # noqa: T201
        return FAILED
    if outcome.signal:
        again = [*program(), "train", job.method, "--out", str(job.out), "--resume"]
        again += ["--devices", str(job.devices)] if job.devices > 1 else []
        again += ["--device", job.device] if job.device != "auto" else []
        again += ["--cache", str(job.cache)] if job.cache is not None else []
        again += ["--minutes", f"{job.minutes:g}"] if job.minutes is not None else []
        to_screen(f"stopped at step {outcome.step:,}; everything is saved. Go on with:\n  {shlex.join(again)}")
        return 128 + outcome.signal
    best = f", the best of validation ({outcome.best[0]:.2f} dB) in best.safetensors" if outcome.best else ""
    to_screen(f"{job.out}: step {outcome.step:,} in last.safetensors{best}")
    return OK


def _expanded(path: Path | None) -> Path | None:
    return None if path is None else path.expanduser()
