"""`facesr-bench report`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.options import options_of
from facesr_bench.cli.options import add_option, typed
from facesr_bench.cli.table import Selection, say_unreadable

RESULTS = options_of(Selection)["results"]

EXAMPLES = """examples:
  facesr-bench report
      results/index.html, beside the results: opens from disk, needs no network
  facesr-bench report --results results --out site
      a folder of its own, with the pictures it shows, ready for any static host"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES
    add_option(parser, RESULTS)
    parser.add_argument("--out", type=Path, metavar="SITE", help="a folder for the site; default: the results folder")
    parser.set_defaults(handler=report)


def report(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.report.site import build, made_of
    from facesr_bench.results.store import read_results

    root = typed(arguments, RESULTS)
    made = made_of(root, arguments.out)
    stored = read_results(root)
    if not stored.results and not stored.unreadable:
        raise ResultsError(f"{root}: no results; make some with `facesr-bench run`")
    sys.stdout.write(f"{build(root, arguments.out, stored, made)}\n")
    return say_unreadable(stored)
