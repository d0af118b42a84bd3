"""`facesr-bench verify`"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from facesr_bench.base.options import options_of
from facesr_bench.cli import FAILED, OK
from facesr_bench.cli.options import add_option, given
from facesr_bench.cli.streams import make_console
from facesr_bench.evaluation.verify import VerifyRequest

if TYPE_CHECKING:
    from rich.console import Console

    from facesr_bench.evaluation.verify import Verdict
    from facesr_bench.results.bundle.opened import Bundle

EXAMPLES = """examples:
  facesr-bench verify sparnet-helen.tar --data helen=~/data/helen
  facesr-bench verify theirs.tar --level 1                                  (without the data)
  facesr-bench verify theirs.tar --level 3 --method ./theirnet@their=theirs.safetensors

It prints the level that each result reached: 0 intact, 1 consistent, 2 re-scored, 3 re-run. Exit status: 0 no
contradiction was found, and a level that was asked for is reached; 1 otherwise, or it is no bundle; 2 wrong usage."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    add_request(parser)
    parser.set_defaults(handler=verify)


def add_request(parser: argparse.ArgumentParser) -> None:
    """The arguments that `verify` and `add` share."""
    options = options_of(VerifyRequest)
    parser.add_argument("bundle", metavar="X.tar", help=options["bundle"].help)
    for name, option in options.items():
        if name != "bundle":
            add_option(parser, option)


def verify(arguments: argparse.Namespace) -> int:
    from facesr_bench.evaluation.verify import verify as verified

    request = VerifyRequest(**given(arguments, VerifyRequest))
    console = make_console()
    opened = opened_or_said(request.bundle, console)
    if opened is None:
        return FAILED
    with opened.archive, TemporaryDirectory(prefix="facesr-bench-") as folder:
        verdicts = verified(request, opened, Path(folder))
    say_verdicts(verdicts, console)
    return FAILED if any(fails(verdict, request) for verdict in verdicts) else OK


def opened_or_said(path: Path, console: Console) -> Bundle | None:
    """Level 0, with what the bundle is; None where it is not intact, with why."""
    from facesr_bench.base.errors import ResultsError
    from facesr_bench.evaluation.verify import open_bundle

    try:
        opened = open_bundle(path)
    except ResultsError as error:
        if not path.is_file():
            raise
        console.print(f"[bold red]refused[/] {_plain(str(error))}", highlight=False, soft_wrap=True)
        return None
    console.print(f"bundle {opened.id}", highlight=False, soft_wrap=True)
    if opened.archive.repacked:
        other = (
            f"it was packed again: the file's own sha256 is {opened.archive.file_sha256}, its contents are unchanged"
        )
        console.print(f"[yellow]note[/] {other}", highlight=False, soft_wrap=True)
    for name, value in (("contact", opened.index.contact), ("url", opened.index.url)):
        if value:
            console.print(f"{name}: {_plain(value)}", highlight=False, soft_wrap=True)
    for warning in opened.warnings:
        console.print(f"[yellow]note[/] {_plain(warning)}", highlight=False, soft_wrap=True)
    return opened


def say_verdicts(verdicts: Sequence[Verdict], console: Console) -> None:
    """The level that each result reached, and what was found."""
    from facesr_bench.results.record import LEVELS

    for verdict in verdicts:
        reached = f"{verdict.sent.name}: level {verdict.level}, {LEVELS[verdict.level]}"
        if verdict.rescored is not None and verdict.level > 1:
            reached += f" ({', '.join(verdict.rescored.checked)})"
        console.print(f"[bold]{_plain(reached)}[/]", highlight=False, soft_wrap=True)
        for style, word, found in (
            ("bold red", "contradiction", verdict.problems),
            ("yellow", "not tried", verdict.untried),
            ("dim", "note", verdict.notes),
        ):
            for text in found:
                console.print(f"  [{style}]{word}[/] {_plain(text)}", highlight=False, soft_wrap=True)


def fails(verdict: Verdict, request: VerifyRequest) -> bool:
    """Whether a result was contradicted, or did not reach the level that was asked for."""
    return bool(verdict.problems) or verdict.level < request.demanded


def _plain(text: str) -> str:
    """A stranger's text: on one line, no markup."""
    from rich.markup import escape

    from facesr_bench.base.text import one_line

    return escape(one_line(text))
