"""`facesr-bench check`"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.base.environment import command_line
from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.base.files import check_file_writable, write_text
from facesr_bench.base.options import options_of
from facesr_bench.base.suggest import expanded, unknown
from facesr_bench.cli import FAILED, OK
from facesr_bench.cli.options import add_option, given
from facesr_bench.cli.streams import make_console, say
from facesr_bench.evaluation.gate.request import HIDDEN, CheckRequest

if TYPE_CHECKING:
    from rich.console import Console

    from facesr_bench.report.gate.formats import Report

EXAMPLES = """examples:
  facesr-bench check --methods sparnet --protocols demo-x8 --accept
      make what is there now the baseline: reports/baselines/demo-x8/sparnet.jsonl, to be committed
  facesr-bench check --protocols demo-x8
      run the methods that have a baseline there, as far as it is not done, and compare
  facesr-bench check --methods ./mynet --baseline reports/baselines/demo-x8/sparnet.jsonl
      one method against another's baseline
  facesr-bench check --format github --format junit=check.xml --html check.html
      for a CI: annotations, a report for its viewer, a page with the worst images
  facesr-bench check --self-test --methods sparnet
      the noise floor: the same method in other batches, threads, executors

Exit status: 0 no worse, 1 regressed, 2 wrong usage, 3 not comparable or nothing gated, 4 inconclusive
(--inconclusive ok: 0). Of several, 1 goes before 3 before 4 before 0. docs/ci.md has all of it."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES
    for name, option in options_of(CheckRequest).items():
        if name not in HIDDEN:
            add_option(parser, option)
    add_outputs(parser)
    parser.set_defaults(handler=check, **dict.fromkeys(HIDDEN))


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """The arguments that `check` and `compare` write by."""
    parser.add_argument(
        "--format",
        action="append",
        default=[],
        metavar="NAME[=FILE]",
        help="json, junit, github, markdown, benchmark-bigger, benchmark-smaller (lists for github-action-benchmark): "
        "in place of the table, or into FILE; may be given several times",
    )
    parser.add_argument(
        "--json", dest="format", action="append_const", const="json", help="what --format json means (docs/json.md)"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="a page with the worst images and their error maps")


def check(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.cli.run import bar
    from facesr_bench.evaluation.gate import check as checker
    from facesr_bench.report.gate.formats import Report
    from facesr_bench.report.gate.terminal import print_answers, print_closing

    outputs = Outputs(arguments)
    request = CheckRequest(**given(arguments, CheckRequest))
    notes = make_console(stderr=True, soft_wrap=True)
    if request.self_test:
        return _self_test(request, outputs.console, notes)
    with bar(notes) as progress:
        outcome = (checker.accept if request.accept else checker.check)(request, progress)
    _say_problems(outcome.problems)
    if not request.runs:
        say(f"nothing was run: judged as it lies in {request.results}; --protocols or --methods runs what changed")
    print_answers(outcome.answers, outputs.console)
    if request.accept:
        for path, changed in outcome.accepted:
            say(f"{'accepted' if changed else 'unchanged'}: {path}")
        for why in outcome.not_accepted:
            say(f"failed: {why}")
        return FAILED if outcome.not_accepted else OK
    report = Report(outcome.answers, outcome.status, command_line())
    print_closing(outcome.answers, report.verdict, report.status, outputs.console)
    outputs.write(report)
    return report.status


def _say_problems(problems: Sequence[str]) -> None:
    for problem in problems[:20]:
        say(f"failed: {problem}")
    if len(problems) > 20:
        say(f"failed: ... and {len(problems) - 20} more")


def _self_test(request: CheckRequest, console: Console, notes: Console) -> int:
    from facesr_bench.cli.run import bar
    from facesr_bench.evaluation.gate.self_test import self_test
    from facesr_bench.report.gate.terminal import print_self_test

    with bar(notes) as progress:
        found = self_test(request, progress)
    trials = [(trial.name, trial.answer) for trial in found.trials]
    print_self_test(trials, found.skipped, found.status, console)
    return found.status


class Outputs:
    """Where a comparison is written to, as the command line says.

    Raises:
        FaceSRBenchError: no such format, or a file that can't be written; before any work is done.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        from facesr_bench.report.gate.formats import FORMATS

        self._files: list[tuple[str, Path | None]] = []
        self._html: Path | None = arguments.html
        for text in arguments.format:
            name, equals, file = text.partition("=")
            if name not in FORMATS:
                raise FaceSRBenchError(unknown("format", name, FORMATS))
            self._files.append((name, expanded(file) if equals else None))
        for path in [file for _, file in self._files] + [self._html]:
            if path is not None:
                check_file_writable(path)
        printed = any(file is None for _, file in self._files)
        self.console = make_console(stderr=printed)

    def write(self, report: Report) -> None:
        """Write all that was asked for.

        Raises:
            ResultsError: a file can't be written.
        """
        from facesr_bench.report.gate.formats import FORMATS
        from facesr_bench.report.gate.page import write_page

        for name, file in self._files:
            text = FORMATS[name](report)
            if file is None:
                sys.stdout.write(text)
            else:
                write_text(file, text)
                say(f"wrote {file}")
            if name == "github" and file is None and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
                with Path(summary).open("a", encoding="utf-8") as stream:
                    stream.write(FORMATS["markdown"](report))
        if self._html is not None:
            write_page(self._html, report)
            say(f"page: {self._html}")
