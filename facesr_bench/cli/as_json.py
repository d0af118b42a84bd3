"""`--json`: one JSON value on standard output and nothing else; what is for people goes to standard error."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from facesr_bench.base.as_json import json_text
from facesr_bench.cli.streams import make_console

if TYPE_CHECKING:
    from rich.console import Console


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    """The option itself.

    Args:
        what: it writes, for `--help`.
    """
    parser.add_argument("--json", action="store_true", help=f"{what}, as JSON (docs/json.md)")


def console_of(arguments: argparse.Namespace, *, soft_wrap: bool = False) -> Console:
    """Where a command says to people what it finds."""
    return make_console(stderr=arguments.json, soft_wrap=soft_wrap)


def write(data: Any) -> None:
    """The value, on standard output."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
    sys.stdout.write(json_text(data, ascii_only=not encoding.startswith("utf")))
