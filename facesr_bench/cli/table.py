"""`facesr-bench table`"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.base.files import write_text
from facesr_bench.cli import OK

if TYPE_CHECKING:
    from facesr_bench.results.store import Result

EXAMPLES = """examples:
  facesr-bench table --results results --format csv > numbers.csv
  facesr-bench table --format latex --protocols helen-x8 --metrics psnr,lpips --intervals --significance
  facesr-bench table --format latex --with-published --bibtex references.bib --out table.tex

The csv's column names are stable: protocol,method,weights,profile,n,psnr,ssim,...; its numbers have full precision.
Best, second and significance are found among the methods that the table shows."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    formats = ("csv", "markdown", "latex", "html")
    parser.add_argument("--format", choices=formats, default="markdown", help="default: markdown")
    add_selection(parser)
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
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table here (default: print it)")
    parser.set_defaults(handler=table)


def add_selection(parser: argparse.ArgumentParser) -> None:
    """The options that choose results, shared with `figure`."""
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    parser.add_argument("--protocols", action="append", metavar="P,Q", help="only these")
    parser.add_argument("--profile", metavar="NAME", help="only under this one, where there are results under several")
    parser.add_argument("--methods", action="append", metavar="A,B", help="only these (name or name@weights)")
    parser.add_argument("--metrics", action="append", metavar="M,N", help="only these, in this order")


def select(arguments: argparse.Namespace) -> list[Result]:
    """The newest results that the options choose.

    Raises:
        ResultsError: no such folder, or no such method, protocol or profile in it (with a suggestion), or none of all
            at once.
    """
    from facesr_bench.plugins.spec import split_list
    from facesr_bench.results.store import newest_results

    protocols, methods = split_list(arguments.protocols or []), split_list(arguments.methods or [])
    profiles = [] if arguments.profile is None else [arguments.profile]
    found = newest_results(arguments.results)
    _check("protocol with results", protocols, {r.protocol for r in found}, arguments.results)
    _check("method with results", methods, {n for r in found for n in (r.label, r.method)}, arguments.results)
    _check("profile with results", profiles, {r.profile for r in found}, arguments.results)
    chosen = [
        result
        for result in found
        if (not protocols or result.protocol in protocols)
        and (not profiles or result.profile in profiles)
        and (not methods or result.label in methods or result.method in methods)
    ]
    if not chosen:
        kind = " of that kind" if protocols or profiles or methods else ""
        raise ResultsError(f"{arguments.results}: no results{kind}; make some with `facesr-bench run`")
    return chosen


def _check(kind: str, wanted: Sequence[str], known: Iterable[str], folder: Path) -> None:
    from facesr_bench.base.suggest import unknown

    known = set(known)
    for name in wanted:
        if known and name not in known:
            raise ResultsError(f"{folder}: {unknown(kind, name, known)}")


def table(arguments: argparse.Namespace) -> int:
    from facesr_bench.plugins.spec import split_list
    from facesr_bench.report.citations import bibliography
    from facesr_bench.report.published import read_anchors
    from facesr_bench.report.tables.render import Options, render
    from facesr_bench.results.leaderboard import groups
    from facesr_bench.results.summary import summarise

    if arguments.bibtex == "-" and arguments.format != "latex":
        raise FaceSRBenchError("--bibtex needs a FILE unless the table is LaTeX, where it follows the table")
    rows = summarise(select(arguments))
    references = None
    if arguments.bibtex is not None:
        anchors = read_anchors()
        shown = (anchor.source for group in groups(rows) for anchor, _ in anchors.of(group))
        sources = {name: anchors.sources[name] for name in shown if arguments.with_published}
        references = bibliography(rows, sources)
    options = Options(
        metrics=tuple(split_list(arguments.metrics or [])),
        intervals=arguments.intervals,
        significance=arguments.significance,
        published=arguments.with_published,
        cite=references.cite if references else {},
    )
    text = render(rows, arguments.format, options)
    if references and arguments.bibtex == "-":
        entries = "".join(f"% {line}\n" for line in references.text().splitlines())
        text += f"\n% The bibliography, to be put into a .bib file without the leading %:\n{entries}"
    elif references:
        write_text(Path(arguments.bibtex), references.text())
    if arguments.out is not None:
        write_text(arguments.out, text)
    else:
        sys.stdout.write(text)
    return OK
