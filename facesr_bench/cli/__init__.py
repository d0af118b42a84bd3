"""The command line. Subcommands are one module each; nothing heavy is imported until one runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.cli import completion, streams
from facesr_bench.cli.parser import Parser

COMMANDS = {
    "run": "run methods on protocols, then show and save the numbers",
    "score": "score a folder of finished pictures against another",
    "table": "print results as csv, markdown, LaTeX or HTML",
    "history": "list every result that a results folder holds, superseded ones too",
    "figure": "draw a figure for a paper: comparison grid, distributions, trade-off ...",
    "bundle": "pack results into one file that anybody can verify",
    "verify": "find out how far a bundle can be believed",
    "add": "put a bundle's results into a results folder, with how far they were verified",
    "merge": "join the results folders of several machines, shards or dates",
    "check": "hold results against a committed baseline: regressed, no worse, or not sure; for CI",
    "compare": "two results image by image: what differs, how surely, and where",
    "report": "rebuild the HTML page of a results folder",
    "degrade": "make low-quality pictures of sharp faces, with a record of what was drawn",
    "align": "cut the faces out of photographs, aligned as in FFHQ, with the transforms that lead back",
    "restore": "restore the faces of photographs with a method, and paste them back",
    "doctor": "say whether a protocol's data and metrics give the numbers that papers print",
    "train": "train a method on your own faces",
    "export": "write a method's network as an ONNX file, in 8-bit integers too, and say what that costs",
    "weights": "fetch, import and verify the networks that methods and metrics need",
    "list": "list methods, protocols, datasets, metrics, degradations, profiles",
    "new": "write a working plug-in folder to start from",
    "validate": "check a plug-in against the contract",
}

MODULES = {"list": "listing"}
"""Where a subcommand's module is called otherwise; `list` would hide the builtin in this package."""

EXAMPLES = """examples:
  facesr-bench run --methods sparnet,bicubic                       at once, on seven faces that ship with it
  facesr-bench list protocols helen                                the sets of papers, and how to get their data
your network in a paper:
  facesr-bench new method mynet && facesr-bench validate ./mynet   or images:DIR, onnx:FILE, spandrel:FILE (see run)
  facesr-bench run --methods sparnet,./mynet --protocols helen-x8 --data helen=~/data/helen
  facesr-bench table --format latex --significance                 then figure, compare, report
in a CI:
  facesr-bench check --methods ./mynet --protocols demo-x8 --accept      once; without --accept it is the gate
somebody's numbers:
  facesr-bench verify theirs.tar                                   then add, compare

`facesr-bench COMMAND --help` has the details of each.

the Tab key completes subcommands, options, methods, protocols and metrics, once the shell has read:
  eval "$(facesr-bench --completion bash)"        in ~/.bashrc; zsh in ~/.zshrc
  facesr-bench --completion fish | source         in ~/.config/fish/config.fish"""

OK, FAILED, MISUSED, STOPPED = 0, 1, 2, 130

_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""How torch's threads wait for each other: asleep. By default they spin, and where others want the cores each spins
through the time in which the next could work. Read when torch is loaded; what the user has set is left."""

_GOES_ON = "; what is finished is kept, and the same command goes on"
_AFTER_STOP = {
    **dict.fromkeys(("run", "check", "doctor"), _GOES_ON),
    "train": "; what is finished is kept, and the same command with --resume goes on",
}
"""What is said of the commands whose finished work is used again, where they are stopped (Ctrl-C)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status: 0, 1 (something failed; finished work is kept), 2 (misuse) or 130 (stopped).
    """
    streams.prepare()
    try:
        return _main(argv)
    except KeyboardInterrupt:  # before or after what `carry_out` does
        return _stopped("")


def _main(argv: Sequence[str] | None) -> int:
    try:
        options = _parse(list(sys.argv[1:] if argv is None else argv))
    except SystemExit as end:  # help, the version, or a misuse: argparse has printed it
        status = end.code or OK
        raise SystemExit(carry_out(argparse.Namespace(handler=lambda _: status))) from None
    return carry_out(options) if argv is not None else _as_program(options)


def _as_program(options: argparse.Namespace) -> int:
    """Carry out the command line of this very process, which then belongs to it."""
    from facesr_bench.cli.watch import watched

    for name, value in _WAITING.items():
        os.environ.setdefault(name, value)

    def work(noisy: int | None) -> int:
        streams.take_over(noisy)
        return carry_out(options)

    return watched(work, FAILED)


def _parse(arguments: list[str]) -> argparse.Namespace:
    from facesr_bench import __version__

    parser = Parser(
        prog="facesr-bench",
        description="Benchmark and evaluation suite for face super-resolution.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--version", action="version", version=f"facesr-bench {__version__}")
    parser.add_argument(
        "--completion", action=_Completion, choices=completion.SHELLS, help="print what makes that shell complete words"
    )
    if completion.asked():
        arguments = completion.words()
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = next((a for a in arguments if not a.startswith("-")), None)
    for name, summary in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary)
        if name == wanted:  # the others are only named, so their modules need not load
            import_module(f"facesr_bench.cli.{MODULES.get(name, name)}").configure(sub)
    if completion.asked():
        completion.answer(parser, commands.choices.get(wanted) if wanted else None)
    return parser.parse_args(arguments)


class _Completion(argparse.Action):
    """Like `--version`: prints, and that is all."""

    def __call__(self, parser: argparse.ArgumentParser, *arguments: Any) -> None:
        _, shell, _ = arguments
        sys.stdout.write(completion.shell_code(shell))
        parser.exit()


def _stopped(command: str) -> int:
    """Say that the user has stopped a command; the exit status."""
    streams.say(f"\nstopped{_AFTER_STOP.get(command, '')}")
    return STOPPED


def carry_out(options: argparse.Namespace) -> int:
    """Call the handler of a parsed command line; what a user can mend is one line, not a traceback.

    Returns:
        The exit status, as of `main`.
    """
    try:
        status: int = options.handler(options)
        lost = streams.finish()
    except FaceSRBenchError as error:
        streams.say(f"facesr-bench: error: {error}")
        return MISUSED
    except KeyboardInterrupt:
        return _stopped(getattr(options, "command", ""))
    except BrokenPipeError:
        streams.abandon(sys.stdout)
        streams.abandon(sys.stderr)
        return OK
    except OSError as error:
        problem = streams.why_unwritable(error)
        if problem is None:
            raise
        streams.abandon(sys.stdout)
        streams.say(f"facesr-bench: error: {problem}")
        return FAILED
    if lost:
        streams.say(f"facesr-bench: error: {lost}")
    return FAILED if lost and status == OK else status
