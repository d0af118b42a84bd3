"""`facesr-bench table`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from facesr_bench.cli import OK
from facesr_bench.errors import FaceSRBenchError

EXAMPLES = """examples:
  facesr-bench table --results results --format csv > numbers.csv
  facesr-bench table --format latex --protocols helen-x8

The csv's column names are stable: protocol,method,weights,profile,n,psnr,ssim,...; its numbers have full precision."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    parser.add_argument("--format", choices=("csv", "markdown", "latex"), default="markdown", help="default: markdown")
    parser.add_argument("--protocols", action="append", metavar="P,Q", help="only these")
    parser.add_argument("--methods", action="append", metavar="A,B", help="only these (name or name@weights)")
    parser.set_defaults(handler=table)


def table(arguments: argparse.Namespace) -> int:
    from facesr_bench.report.tables import render
    from facesr_bench.selection import split_list
    from facesr_bench.store import newest_results
    from facesr_bench.summary import summarise

    protocols, methods = split_list(arguments.protocols or []), split_list(arguments.methods or [])
    results = [
        result
        for result in newest_results(arguments.results)
        if (not protocols or result.protocol in protocols)
        and (not methods or result.label in methods or result.method in methods)
    ]
    if not results:
        raise FaceSRBenchError(f"{arguments.results}: no results" + (" of that kind" if protocols or methods else ""))
    sys.stdout.write(render(summarise(results), arguments.format))
    return OK
