"""`facesr-bench report`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from facesr_bench.cli import OK


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    parser.set_defaults(handler=report)


def report(arguments: argparse.Namespace) -> int:
    from facesr_bench.report.site import build

    sys.stdout.write(f"{build(arguments.results)}\n")
    return OK
