"""`facesr-bench doctor`"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from facesr_bench.base.options import Option, options_of
from facesr_bench.cli import FAILED, OK, as_json
from facesr_bench.cli.as_json import add_json
from facesr_bench.cli.options import add_option, typed
from facesr_bench.cli.streams import make_console, showing
from facesr_bench.evaluation.request import RunRequest

if TYPE_CHECKING:
    from rich.console import Console

    from facesr_bench.report.reproduction import Reproduction

EXAMPLES = """examples:
  facesr-bench doctor celeba-test-gfpgan --data celeba-test-gfpgan=~/data/celeba-test
  facesr-bench doctor demo-blind

Looks at every picture of a protocol: their number and sizes, whether each LR picture shows the face of its HR, which
side is sharp, whether any is there twice. Then computes the row that needs no network (the input itself; where LR is
smaller, the bicubic enlargement) and compares it with the same row in papers. Exit status: 0 nothing is wrong, 1
something is, 2 the protocol can't be opened."""

_RIGHT = "Data and metrics reproduce it."
_OPTIONS = ("data", "out", "device", "metrics", "profile", "fid_reference", "workers")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES
    parser.add_argument("protocol", help="a name (see `facesr-bench list protocols`), or a dataset's folder")
    for name in _OPTIONS:
        add_option(parser, _option(name))
    add_json(parser, "what was looked at, and each number beside the published one")
    parser.set_defaults(handler=doctor)


def _option(name: str) -> Option[Any, Any]:
    """One of a run's options."""
    option = options_of(RunRequest)[name]
    return option.but(help="threads that read, and as many that score") if name == "workers" else option


def doctor(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from rich.markup import escape

    from facesr_bench.data.protocols import catalogue, expand_protocols, find_protocol
    from facesr_bench.evaluation import doctor as examining
    from facesr_bench.evaluation import run as runner
    from facesr_bench.evaluation.inputs import open_source

    console, notes = as_json.console_of(arguments, soft_wrap=True), make_console(stderr=True, soft_wrap=True)
    options = {name: typed(arguments, _option(name)) for name in _OPTIONS}
    datasets = catalogue([arguments.protocol])
    found: list[dict[str, Any]] = []
    for name in expand_protocols([arguments.protocol], datasets):
        _, card = find_protocol(name, datasets)
        source = open_source(card, options["data"], datasets)
        method = "input" if card.scale == 1 else "bicubic"
        request = RunRequest(methods=(method,), protocols=(_as_asked(arguments.protocol, name),), **options)
        runner.check(request)
        console.print(f"[bold]{escape(name)}[/]", highlight=False)
        findings = examining.examine(source, showing("looking at pictures", notes))
        for finding in findings:
            mark = "[bold red]wrong[/]" if finding.problem else "[green]ok[/]   "
            why = f": {escape(finding.problem)}" if finding.problem else ""
            console.print(f"  {mark}  {escape(finding.what)}{why}", highlight=False)
        computed = _row(request, console, notes)
        right = computed["right"] and not any(finding.problem for finding in findings)
        looked_at = [{"what": each.what, "problem": each.problem or None} for each in findings]
        found.append({"protocol": name, **computed, "right": right, "findings": looked_at})
    if arguments.json:
        as_json.write(found)
    return OK if all(each["right"] for each in found) else FAILED


def _as_asked(asked: str, name: str) -> str:
    """One protocol of what was asked for: a dataset's folder stands for all of its own."""
    from facesr_bench.base.suggest import is_path

    return f"{asked.partition(':')[0]}:{name}" if is_path(asked) else name


def _row(request: RunRequest, console: Console, notes: Console) -> dict[str, Any]:
    """Compute the row that needs no network, and say whether papers have the same; what `--json` says of that."""
    from rich.markup import escape

    from facesr_bench.cli.run import bar
    from facesr_bench.evaluation import run as runner
    from facesr_bench.report.published import read_anchors
    from facesr_bench.report.reproduction import compare
    from facesr_bench.report.tables.terminal import print_tables
    from facesr_bench.results.summary import summarise

    with bar(notes) as progress:
        outcome = runner.run(request, progress)
    for problem in outcome.problems[:20]:
        console.print(f"  [bold red]wrong[/]  {escape(problem)}", highlight=False)
    rows = summarise(outcome.results)
    print_tables(rows, console)
    right = not outcome.problems
    published = []
    for row in rows:
        found = compare(read_anchors(), row)
        if not found:
            console.print(
                f"No paper's {escape(row.label)} row of {escape(row.protocol)} is known here.", highlight=False
            )
        for each in found:
            verdict = _say(each, row.n, console)
            right &= not verdict
            published.append(_as_data(each, row.n, verdict))
    measured = [{"method": row.label, "n": row.n, "metrics": dict(row.means)} for row in rows]
    return {"right": right, "problems": list(outcome.problems), "rows": measured, "published": published}


def _as_data(found: Reproduction, n: int, verdict: str) -> dict[str, Any]:
    """One published row; a number is right or wrong only where both are about as many images."""
    same = n == found.anchor.n
    numbers = [
        {
            "metric": number.metric,
            "published": number.published,
            "measured": number.measured,
            "right": number.reproduced if same and number.measured is not None else None,
            "reason": number.reason or None,
        }
        for number in found.numbers
    ]
    return {"source": found.source.title, "n": found.anchor.n, "numbers": numbers, "problem": verdict or None}


def _say(found: Reproduction, n: int, console: Console) -> str:
    """Print a published row; what is wrong, empty where nothing is."""
    from rich.markup import escape

    console.print(f"{escape(found.source.title)} ({found.anchor.n} images)", highlight=False)
    for number in found.numbers:
        if number.measured is None:
            console.print(
                f"  ?      {escape(number.metric)}: {number.published} there; {escape(number.reason)}", highlight=False
            )
            continue
        mark = "[green]ok[/]   " if number.reproduced else "[bold red]wrong[/]"
        mark = mark if n == found.anchor.n else "-    "  # of other images: neither right nor wrong
        shown = f"{number.published} there, {number.measured:.6g} here"
        console.print(f"  {mark}  {escape(number.metric)}: {shown}", highlight=False)
    verdict = found.verdict and f"This does not reproduce it: {found.verdict}"
    if n != found.anchor.n:
        verdict = f"This is another set: {n} images here and {found.anchor.n} there, whose means are not compared"
    missing = ", ".join(number.metric for number in found.numbers if number.measured is None)
    right = f"Data and metrics reproduce it, as far as they could be computed: not {missing}." if missing else _RIGHT
    console.print(escape(verdict or right), style="bold", highlight=False)
    return verdict
