"""`facesr-bench run`"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.cli import FAILED, MISUSED, OK

if TYPE_CHECKING:
    from rich.console import Console

    from facesr_bench.evaluation.request import Progress

EXAMPLES = """examples:
  facesr-bench run --methods sparnet,bicubic
      seven faces that ship with our dependencies: no download, about a minute
  facesr-bench run --methods sparnet,bicubic --protocols helen-x8 --data helen=~/data/helen
      the Helen test set; --data may also stand in facesr-bench.toml or FACESR_BENCH_DATA_HELEN
  facesr-bench run --methods sparnet@official,./mynet --protocols helen-dic-x8 --data helen-dic-x8=~/data/Helen_DIC
      the authors' weights against your own plug-in folder

The same command again computes only what is missing. Exit status: 0 all well, 1 something failed (finished work is
kept), 2 nothing could be run."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--methods", action="append", required=True, metavar="A,B", help="names, name@weights, or plug-in folders"
    )
    parser.add_argument(
        "--protocols",
        action="append",
        metavar="P,Q",
        help="default: demo-x8 (see `list protocols`); or dataset folders",
    )
    parser.add_argument(
        "--data", action="append", default=[], metavar="NAME=DIR", help="where a dataset (or protocol) has its files"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N images of each protocol")
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    parser.add_argument("--batch-size", type=int, metavar="N", help="images per call of a method; changes no number")
    parser.add_argument(
        "--resume",
        choices=("only-missing", "never", "always"),
        default="only-missing",
        help="only-missing: compute what has no result, failures again (default); "
        "always: earlier failures are final too; never: compute everything anew",
    )
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of networks (default: fp32)")
    parser.add_argument(
        "--profile", help="compute metrics by this convention (a name, or ./FILE.toml) instead of the protocol's own"
    )
    parser.add_argument(
        "--metrics", action="append", metavar="M,N", help="instead of the protocol's own; names or folders"
    )
    parser.add_argument(
        "--attention",
        type=int,
        default=8,
        metavar="N",
        help="keep the attention maps of the first N images, from methods that have them (default: 8; 0: none)",
    )
    parser.add_argument("--fid-reference", metavar="NAME=FILE", help="statistics that FID compares with instead of HR")
    parser.add_argument(
        "--workers", type=int, default=2, metavar="N", help="threads that read, and that score; changes no number"
    )
    parser.add_argument("--no-report", action="store_true", help="don't write the HTML page")
    parser.set_defaults(handler=run)


def parse_data(values: list[str]) -> dict[str, Path]:
    """`["helen=DIR"]` -> `{"helen": Path("DIR")}`."""
    data: dict[str, Path] = {}
    for value in values:
        name, equals, path = value.partition("=")
        if not equals or not name or not path:
            raise FaceSRBenchError(f"--data {value!r}: write it as NAME=DIR, for example --data helen=/data/helen")
        data[name] = Path(path).expanduser()
    return data


def run(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.markup import escape

    from facesr_bench.evaluation import request
    from facesr_bench.evaluation import run as runner
    from facesr_bench.evaluation.set_metrics import parse_reference
    from facesr_bench.plugins.spec import split_list
    from facesr_bench.report.site import build
    from facesr_bench.report.tables.terminal import print_tables
    from facesr_bench.results.summary import summarise

    console, notes = Console(), Console(stderr=True, soft_wrap=True)  # paths and commands stay whole
    options = request.Options(
        methods=tuple(split_list(arguments.methods)),
        protocols=tuple(split_list(arguments.protocols or ["demo-x8"])),
        data=parse_data(arguments.data),
        limit=arguments.limit,
        out=arguments.out,
        device=arguments.device,
        batch_size=arguments.batch_size,
        resume=arguments.resume,
        precision=arguments.precision,
        profile=arguments.profile,
        metrics=tuple(split_list(arguments.metrics)) if arguments.metrics else None,
        attention=arguments.attention,
        workers=arguments.workers,
        fid_reference=parse_reference(arguments.fid_reference),
    )
    with bar(notes) as progress:
        report = runner.run(options, progress)
    if report.results:
        print_tables(summarise(report.results), console)
    if report.computed:
        notes.print(f"computed {report.computed} image(s); results in {escape(str(arguments.out))}")
    elif report.results and not report.problems:
        notes.print("nothing to compute: every result asked for is already there (--resume never computes anew)")
    for problem in report.problems[:20]:
        notes.print(f"[bold red]failed[/] {escape(problem)}", highlight=False)
    if len(report.problems) > 20:
        notes.print(f"[bold red]failed[/] ... and {len(report.problems) - 20} more; images.jsonl has them all")
    if not report.results:
        return MISUSED
    if not arguments.no_report:  # last: a result that can't be read stops it, and must not hide what failed here
        notes.print(f"page: {escape(str(build(arguments.out)))}")
    return FAILED if report.problems else OK


class _Bar:
    """A progress bar on standard error, with one task per protocol."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=not console.is_terminal,
        )

    def __enter__(self) -> Progress:
        from facesr_bench.evaluation.request import Progress

        bar = self._progress

        class Reporter(Progress):
            def start(self, protocol: str, total: int) -> None:
                self.task = bar.add_task(protocol, total=total)

            def advance(self, method: str) -> None:
                bar.advance(self.task)

        self._progress.start()
        return Reporter()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def bar(console: Console) -> _Bar:
    """A context manager that shows how far a run is."""
    return _Bar(console)
