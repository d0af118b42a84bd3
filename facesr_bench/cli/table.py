"""`facesr-bench table`"""
# ruff: noqa: RUF009 - an option is a descriptor, meant to be shared

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.base.files import write_text
from facesr_bench.base.options import Option, options_of
from facesr_bench.cli import FAILED, OK
from facesr_bench.cli.options import add_options, given
from facesr_bench.cli.streams import say
from facesr_bench.evaluation.request import RunRequest

if TYPE_CHECKING:
    from facesr_bench.results.store import Stored
    from facesr_bench.results.summary import ResultSummary

EXAMPLES = """examples:
  facesr-bench table --results results --format csv > numbers.csv
  facesr-bench table --format latex --protocols helen-x8 --metrics psnr,lpips --intervals --significance
  facesr-bench table --format latex --with-published --bibtex references.bib --out table.tex
  facesr-bench table --format latex --joint --metrics psnr,ssim,lpips        methods x protocols
  facesr-bench table --no-n --costs parameters                               or --costs none, ms_per_image ...

The names of columns in csv and json are stable: protocol,method,weights,profile,n,psnr,ssim,...; their numbers have
full precision.
Best, second and significance are found among the methods that the table shows."""


_RUN = options_of(RunRequest)


@dataclass(frozen=True)
class Selection:
    """The options that choose results, shared with `figure`."""

    results: Option[str | Path, Path] = _RUN["out"].but(help="a results folder")
    protocols: Option[Sequence[str], tuple[str, ...]] = _RUN["protocols"].but(default=(), help="only these")
    profile: Option[str | None, str | None] = _RUN["profile"].but(
        metavar="NAME", help="only under this one, where there are results under several"
    )
    methods: Option[Sequence[str], tuple[str, ...]] = _RUN["methods"].but(
        default=(), help="only these (name or name@weights)"
    )
    metrics: Option[Sequence[str], tuple[str, ...]] = _RUN["metrics"].but(
        default=(), help="only these, in this order; as in `run`, or by the names of their columns"
    )


def selection(arguments: argparse.Namespace) -> Selection:
    """What was typed of it.

    Raises:
        FaceSRBenchError: a value that can't be meant.
    """
    return Selection(**given(arguments, Selection))


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES
    formats = ("csv", "markdown", "latex", "html", "json")
    parser.add_argument("--format", choices=formats, default="markdown", help="default: markdown")
    parser.add_argument(
        "--json", dest="format", action="store_const", const="json", help="what --format json means (docs/json.md)"
    )
    add_options(parser, Selection)
    parser.add_argument("--intervals", action="store_true", help="95 %% bootstrap interval of every mean")
    parser.add_argument(
        "--significance",
        action="store_true",
        help="mark what does not differ significantly from the best (paired by image, Holm-corrected); effect sizes",
    )
    parser.add_argument(
        "--with-published",
        action="store_true",
        help="published numbers of the same protocol and profile, apart from the measured ones and never ranked",
    )
    parser.add_argument(
        "--bibtex",
        nargs="?",
        const="-",
        metavar="FILE",
        help="BibTeX of the methods and data, into FILE or behind the table; LaTeX rows then \\cite it",
    )
    parser.add_argument(
        "--costs",
        action="append",
        metavar="A,B",
        help="only these columns of cost (parameters, flops, peak_memory, ms_per_image), or none; not of csv and json",
    )
    parser.add_argument("--no-n", action="store_true", help="without the column of counts; not of csv and json")
    words = "one table of methods x protocols (markdown, latex); of costs, parameters at most"
    parser.add_argument("--joint", action="store_true", help=words)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table here (default: print it)")
    parser.set_defaults(handler=table)


def select(wanted: Selection) -> Stored:
    """The newest results that the options choose, and every one that can't be read.

    Raises:
        ResultsError: no such folder, or no such method, protocol or profile in it (with a suggestion), or none of all
            at once.
    """
    from facesr_bench.results.store import Stored, read_results

    protocols, methods = wanted.protocols, wanted.methods
    profiles = () if wanted.profile is None else (wanted.profile,)
    stored = read_results(wanted.results)
    found = stored.results
    _check("protocol with results", protocols, {r.protocol for r in found}, wanted.results)
    _check("method with results", methods, {n for r in found for n in (r.label, r.method)}, wanted.results)
    _check("profile with results", profiles, {r.profile for r in found}, wanted.results)
    chosen = [
        result
        for result in found
        if (not protocols or result.protocol in protocols)
        and (not profiles or result.profile in profiles)
        and (not methods or result.label in methods or result.method in methods)
    ]
    if not chosen:
        kind = " of that kind" if protocols or profiles or methods else ""
        lines = [f"{wanted.results}: no results{kind}; make some with `facesr-bench run`", *stored.unreadable]
        raise ResultsError("\n".join(lines))
    return Stored(chosen, stored.unreadable)


def say_unreadable(stored: Stored) -> int:
    """Say which results can't be read; the exit status that this calls for."""
    count = len(stored.unreadable)
    if count:
        what = "result can't be read and is" if count == 1 else "results can't be read and are"
        say("\n  ".join([f"{count} {what} left out:", *stored.unreadable]))
    return FAILED if count else OK


def _check(kind: str, wanted: Sequence[str], known: Iterable[str], folder: Path) -> None:
    from facesr_bench.base.suggest import unknown

    known = set(known)
    for name in wanted:
        if known and name not in known:
            raise ResultsError(f"{folder}: {unknown(kind, name, known)}")


def _without_values(rows: Sequence[ResultSummary], wanted: Selection) -> str:
    """How to leave out the columns in which no row has a value; empty where there are none, or some were asked for."""
    from facesr_bench.results.summary import metrics_of

    infos = {name: info for row in rows for name, info in row.metrics.items()}
    names = [name for name in metrics_of(rows) if infos[name].aggregate_of is None]
    empty = [name for name in names if not any(name in row.means for row in rows)]
    if not empty or wanted.metrics or len(empty) == len(names):
        return ""
    rest = ",".join(name for name in names if name not in empty)
    return f"note: no row has a value of {', '.join(empty)}; the others alone: --metrics {shlex.quote(rest)}"


def table(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.base.grammar import split_list
    from facesr_bench.report.citations import bibliography
    from facesr_bench.report.published import read_anchors
    from facesr_bench.report.tables.joint import render_joint
    from facesr_bench.report.tables.render import Options, render
    from facesr_bench.report.tables.sheet import chosen_costs
    from facesr_bench.results.leaderboard import groups
    from facesr_bench.results.summary import summarise

    if arguments.bibtex == "-" and arguments.format != "latex":
        raise FaceSRBenchError("--bibtex needs a FILE unless the table is LaTeX, where it follows the table")
    wanted = selection(arguments)
    stored = select(wanted)
    rows = summarise(stored.results)
    references = None
    if arguments.bibtex is not None:
        anchors = read_anchors()
        shown = (anchor.source for group in groups(rows) for anchor, _ in anchors.of(group))
        sources = {name: anchors.sources[name] for name in shown if arguments.with_published}
        references = bibliography(rows, sources)
    options = Options(
        metrics=wanted.metrics,
        intervals=arguments.intervals,
        significance=arguments.significance,
        published=arguments.with_published,
        costs=None if arguments.costs is None else chosen_costs(split_list(arguments.costs)),
        cite=references.cite if references else {},
        count=not arguments.no_n,
    )
    text = (render_joint if arguments.joint else render)(rows, arguments.format, options)
    if note := _without_values(rows, wanted):
        say(note)
    if arguments.with_published:
        anchors = read_anchors()
        for reason in dict.fromkeys(filter(None, (anchors.elsewhere(group) for group in groups(rows)))):
            say(f"note: {reason}")
    if references and arguments.bibtex == "-":
        entries = "".join(f"% {line}\n" for line in references.text().splitlines())
        text += f"\n% The bibliography, to be put into a .bib file without the leading %:\n{entries}"
    elif references:
        write_text(Path(arguments.bibtex), references.text())
    if arguments.out is not None:
        write_text(arguments.out, text)
    else:
        sys.stdout.write(text)
    return say_unreadable(stored)
