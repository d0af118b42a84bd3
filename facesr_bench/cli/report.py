"""`facesr-bench report`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from facesr_bench.cli.table import say_unreadable

EXAMPLES = """examples:
  facesr-bench report
      results/index.html, beside the results: opens from disk, needs no network
  facesr-bench report --results results --out site
      a folder of its own, with the pictures it shows, ready for any static host"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    parser.add_argument("--out", type=Path, metavar="SITE", help="a folder for the site; default: the results folder")
    parser.set_defaults(handler=report)


def report(arguments: argparse.Namespace) -> int:
    from facesr_bench.report.site import build
    from facesr_bench.results.store import read_results

    stored = read_results(arguments.results)
    sys.stdout.write(f"{build(arguments.results, arguments.out, stored)}\n")
    return say_unreadable(stored)
