"""`facesr-bench history`"""
# ruff: noqa: RUF009 - an option is a descriptor, meant to be shared

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.options import Option, options_of
from facesr_bench.cli import as_json
from facesr_bench.cli.as_json import add_json
from facesr_bench.cli.options import add_options, given
from facesr_bench.cli.streams import make_console
from facesr_bench.cli.table import Selection, say_unreadable
from facesr_bench.evaluation.request import RunRequest

if TYPE_CHECKING:
    from rich.table import Table

    from facesr_bench.results.history import History
    from facesr_bench.results.summary import ResultSummary

EXAMPLES = """examples:
  facesr-bench run --methods ./mynet --tag before
      edit mynet, then
  facesr-bench run --methods ./mynet --tag after
  facesr-bench history --methods mynet

A method that was edited, given other weights or other data gets a result of its own; the earlier ones stay. The last
one asked for of each row is marked with a star: tables and pages show it."""

_CHOSEN = options_of(Selection)


@dataclass(frozen=True)
class Wanted:
    """The options of `history`."""

    results: Option[str | Path, Path] = _CHOSEN["results"]
    protocols: Option[Sequence[str], tuple[str, ...]] = _CHOSEN["protocols"]
    methods: Option[Sequence[str], tuple[str, ...]] = _CHOSEN["methods"]
    tag: Option[str | None, str | None] = options_of(RunRequest)["tag"].but(help="only what a run gave this name")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES
    add_options(parser, Wanted)
    add_json(parser, "all that is known of each, a list of objects")
    parser.set_defaults(handler=history)


def history(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.results.history import as_data, read_history
    from facesr_bench.results.store import Stored

    wanted = Wanted(**given(arguments, Wanted))
    every = read_history(wanted.results)
    found = every.only(wanted.protocols, wanted.methods, wanted.tag)
    if not found.results and (every.results or not every.unreadable):
        kind = " of that kind" if every.results else ""
        raise ResultsError(f"{wanted.results}: no results{kind}; make some with `facesr-bench run`")
    rows, unreadable = _summed_up(found)
    if arguments.json:
        as_json.write([as_data(row, row.result.folder in found.shown) for row in rows])
    else:
        _print(rows, found)
    return say_unreadable(Stored([], [*found.unreadable, *unreadable]))


def _summed_up(found: History) -> tuple[list[ResultSummary], list[str]]:
    """A row per result, and why some have none: one whose images can't be read costs none of the others."""
    from facesr_bench.results.summary import summarise

    rows, unreadable = [], []
    for result in found.results:
        try:
            rows += summarise([result])
        except ResultsError as error:
            unreadable.append(str(error))
    return rows, unreadable


def _print(rows: Sequence[ResultSummary], found: History) -> None:
    from rich.text import Text

    from facesr_bench.base.text import one_line

    console = make_console()
    for protocol, profile in sorted({(row.protocol, row.profile) for row in rows}):
        console.print(Text(one_line(f"{protocol} · profile {profile}"), style="bold"), soft_wrap=True)
        console.print(_table([row for row in rows if (row.protocol, row.profile) == (protocol, profile)], found))


def _table(rows: Sequence[ResultSummary], found: History) -> Table:
    """The newest first: what each is called, and in grey what it holds."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from facesr_bench.base.text import one_line
    from facesr_bench.report.tables.render import DASH
    from facesr_bench.results.history import SHORT

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("run", "fingerprint"):
        table.add_column(title, no_wrap=True)
    table.add_column(Text("result [tags]"), overflow="fold")
    for row in rows:
        manifest = row.result.manifest
        star = "*" if row.result.folder in found.shown else " "
        tags = f"  [{', '.join(manifest.tags)}]" if manifest.tags else ""
        facts = (one_line(" · ".join(_facts(row))), "dim")
        table.add_row(  # never markup: labels come from strangers
            Text(f"{star}{manifest.order or DASH}"),
            Text(manifest.fingerprint[:SHORT]),
            Text.assemble((one_line(row.label), "bold"), one_line(tags) and f"  {one_line(tags)}", "\n", facts),
        )
    return table


def _facts(row: ResultSummary) -> list[str]:
    """Its means, its weights, and when it was last computed."""
    from facesr_bench.results.history import SHORT
    from facesr_bench.results.summary import metrics_of

    infos = [row.metrics[name] for name in metrics_of([row]) if name in row.means]
    means = [f"{info.header} {info.format(row.means[info.name])}" for info in infos if info.aggregate_of is None]
    manifest = row.result.manifest
    hash_ = manifest.method.weights_sha256
    weights = [f"weights {row.weights}" + (f", sha256 {hash_[:SHORT]}" if hash_ else "")] if row.weights else []
    count = f"n = {row.size}" if row.error is None else f"did not run: {row.error}"
    return [count, *means, *weights, manifest.updated[:16].replace("T", " ")]
