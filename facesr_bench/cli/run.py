"""`facesr-bench run`"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.base.text import counted
from facesr_bench.cli import FAILED, MISUSED, OK
from facesr_bench.cli.options import add_options, given
from facesr_bench.cli.streams import make_console, say
from facesr_bench.cli.table import say_unreadable
from facesr_bench.evaluation.request import RunRequest

if TYPE_CHECKING:
    from rich.console import Console

    from facesr_bench.evaluation.request import Progress, RunOutcome

EXAMPLES = """examples:
  facesr-bench run --methods sparnet,bicubic
      seven faces that ship with our dependencies: no download, about a minute
  facesr-bench run --methods sparnet,bicubic --protocols helen-x8 --data helen=~/data/helen
      the Helen test set; --data may also stand in facesr-bench.toml or FACESR_BENCH_DATA_HELEN
  facesr-bench run --methods sparnet@official,./mynet --protocols helen-dic-x8 --data helen-dic-x8=~/data/Helen_DIC
      the authors' weights against your own plug-in folder
  facesr-bench run --methods sparnet,theirs=images:restored/theirs,net=onnx:net.onnx,spandrel:RealESRGAN_x4plus.pth
      finished pictures, an ONNX file, a checkpoint of a known architecture; command:FILE.toml is any program
  facesr-bench run --methods sparnet,bicubic --metrics psnr,ssim --write-study study.toml
  facesr-bench run study.toml --limit 20
      the same run from a file; what is typed comes before what is written there

A study is a TOML file with the options above, `_` for `-`: methods = ["sparnet", "./mynet"], limit = 20, and tables
[data] and [fid_reference]. Paths in it are meant from the folder it is in. --no-report and --write-study are typed.

The same command again computes only what is missing. Exit status: 0 all well, 1 something failed or a
metric of --metrics has no number (finished work is kept), 2 nothing could be run."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES
    parser.add_argument("study", nargs="?", type=Path, metavar="STUDY", help="a TOML file that holds these options")
    add_options(parser, RunRequest, elsewhere=True)
    parser.add_argument(
        "--write-study", type=Path, metavar="FILE", help="write these options down as a study, and run nothing"
    )
    parser.add_argument("--no-report", action="store_true", help="don't write the HTML page")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.evaluation import run as runner

    console, notes = make_console(), make_console(stderr=True, soft_wrap=True)  # paths and commands stay whole
    options = _asked(arguments)
    if arguments.write_study is not None:
        return _write_down(options, arguments.write_study)
    with bar(notes) as progress:
        report = runner.run(options, progress)
    return _told(arguments, options, report, console, notes)


def _told(
    arguments: argparse.Namespace, options: RunRequest, report: RunOutcome, console: Console, notes: Console
) -> int:
    """Print what a run has found, and build its pages; the exit status."""
    # Not before: what draws and prints takes a while to be imported, and the first image is waited for.
    from rich.markup import escape

    from facesr_bench.report.site import build, made_of
    from facesr_bench.report.tables.stages import print_profile
    from facesr_bench.report.tables.terminal import print_tables
    from facesr_bench.results.store import read_results
    from facesr_bench.results.summary import summarise

    if report.results:
        print_tables(summarise(report.results), console, {key for keys in report.metrics.values() for key in keys})
    if report.computed:
        notes.print(f"computed {counted(report.computed, 'image')}; results in {escape(str(options.out))}")
    elif any(result.images for result in report.results) and not report.problems:
        notes.print("nothing to compute: every result asked for is already there (--resume never computes anew)")
        unkept = [result.label for result in report.results if result.manifest.unkept]
        if unkept and options.keep == "sr":
            notes.print(f"without pictures, as --keep none left them: {escape(', '.join(dict.fromkeys(unkept)))}")
    if report.profile is not None:
        print_profile(report.profile.wall, report.profile.stages, notes)
    for text in report.mended[:20]:
        notes.print(f"[bold yellow]mended[/] {escape(text)}", highlight=False)
    for line in report.without_number:
        notes.print(f"[bold red]no number[/] {escape(line)}", highlight=False)
    for problem in report.problems[:20]:
        notes.print(f"[bold red]failed[/] {escape(problem)}", highlight=False)
    if len(report.problems) > 20:
        notes.print(f"[bold red]failed[/] ... and {len(report.problems) - 20} more; images.jsonl has them all")
    if not report.results:
        return MISUSED
    unreadable = OK
    if not arguments.no_report:  # last: a result that can't be read stops it, and must not hide what failed here
        made = made_of(options.out)
        stored = read_results(options.out)
        notes.print(f"page: {escape(str(build(options.out, stored=stored, made=made)))}")
        unreadable = say_unreadable(stored)
    return FAILED if report.problems or report.without_number or unreadable else OK


def _asked(arguments: argparse.Namespace) -> RunRequest:
    """What the study asks for, and before it what was typed; of [data], by name."""
    found: dict[str, Any] = {}
    if arguments.study is not None:
        from facesr_bench.evaluation.study import read_study

        if not arguments.study.is_file():
            what = "a folder" if arguments.study.is_dir() else "no such file"
            raise FaceSRBenchError(
                f"{arguments.study}: {what}; a study is a TOML file that holds a run's options "
                "(`--write-study FILE` makes one), and methods are named behind --methods"
            )
        found = read_study(arguments.study)
    typed = given(arguments, RunRequest)
    if "data" in found and "data" in typed:
        typed["data"] = {**found["data"], **typed["data"]}
    found.update(typed)
    if "methods" not in found:
        raise FaceSRBenchError(
            f'{arguments.study}: it names no methods; add a line such as methods = ["sparnet", "bicubic"]'
            if arguments.study is not None
            else "which methods? give --methods sparnet,bicubic, or a file that names them: facesr-bench run study.toml"
        )
    return RunRequest(**found)


def _write_down(options: RunRequest, path: Path) -> int:
    from facesr_bench.evaluation.study import write_study

    write_study(options, path)
    say(f"{path}: written; nothing was run. Start it with: facesr-bench run {shlex.quote(str(path))}")
    return OK


class _Bar:
    """A progress bar on standard error, with one task per protocol, named after the method that runs."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,  # where rich would leave an empty line
        )

    def __enter__(self) -> Progress:
        from facesr_bench.evaluation.request import Progress

        bar = self._progress

        class Reporter(Progress):
            def __init__(self) -> None:
                self._said: set[str] = set()

            def leave_out(self, text: str) -> None:
                if text not in self._said:  # a check runs the same more than once
                    bar.console.print(text, markup=False, highlight=False)
                self._said.add(text)

            def start(self, protocol: str, total: int) -> None:
                self.task = bar.add_task(protocol, total=total)

            def wait(self, protocol: str, method: str, holder: str) -> None:
                what = f"{method} on {protocol}: another run is at it ({holder}); waiting until it is done"
                bar.console.print(what, markup=False, highlight=False)

            def begin(self, protocol: str, method: str) -> None:
                bar.update(self.task, description=f"{protocol}: {method}")

            def advance(self, method: str) -> None:
                bar.advance(self.task)

        self._progress.start()
        return Reporter()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def bar(console: Console) -> _Bar:
    """A context manager that shows how far a run is."""
    return _Bar(console)
