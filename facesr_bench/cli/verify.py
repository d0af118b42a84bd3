"""`facesr-bench verify`"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from facesr_bench.base.options import options_of
from facesr_bench.cli import FAILED, OK, as_json
from facesr_bench.cli.as_json import add_json
from facesr_bench.cli.options import add_option, given
from facesr_bench.evaluation.verify import VerifyRequest
from facesr_bench.results.record import CONSISTENT, INTACT, LEVELS, RERUN, RESCORED

if TYPE_CHECKING:
    from rich.console import Console

    from facesr_bench.evaluation.verify import Verdict
    from facesr_bench.results.bundle.opened import Bundle

EXAMPLES = """examples:
  facesr-bench verify sparnet-helen.tar --data helen=~/data/helen
  facesr-bench verify theirs.tar --level 1                                  (without the data)
  facesr-bench verify theirs.tar --level 3 --method ./theirnet@their=theirs.safetensors

then, does a difference of 0.1 dB matter?
  facesr-bench add theirs.tar --results review && facesr-bench compare sparnet theirnet --results review

It prints the level that each result reached: 0 intact, 1 consistent, 2 re-scored, 3 re-run. Exit status: 0 no
contradiction was found, and a level that was asked for is reached; 1 otherwise, or it is no bundle; 2 wrong usage."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES
    add_request(parser)
    add_json(parser, "the level of every result and what was found")
    parser.set_defaults(handler=verify)


def add_request(parser: argparse.ArgumentParser) -> None:
    """The arguments that `verify` and `add` share."""
    options = options_of(VerifyRequest)
    parser.add_argument("bundle", metavar="X.tar", help=options["bundle"].help)
    for name, option in options.items():
        if name != "bundle":
            add_option(parser, option)


def verify(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.evaluation.verify import verify as verified

    request = VerifyRequest(**given(arguments, VerifyRequest))
    console = as_json.console_of(arguments)
    opened = opened_or_refused(request.bundle, console)
    if isinstance(opened, str):
        if arguments.json:
            as_json.write(refused_as_data(opened))
        return FAILED
    with opened.archive, TemporaryDirectory(prefix="facesr-bench-") as folder:
        verdicts = verified(request, opened, Path(folder))
    say_verdicts(verdicts, console)
    console.print(_closing(verdicts, request), style="bold", highlight=False, soft_wrap=True)
    if arguments.json:
        as_json.write(as_data(opened, verdicts, request))
    return FAILED if any(fails(verdict, request) for verdict in verdicts) else OK


def refused_as_data(why: str) -> dict[str, Any]:
    """What `verify --json` says of a file that is no bundle that can be believed."""
    nothing = dict.fromkeys(("bundle", "file_sha256", "repacked", "contact", "url"))
    return {**nothing, "notes": [], "refused": why, "passed": False, "results": []}


def as_data(opened: Bundle, verdicts: Sequence[Verdict], request: VerifyRequest) -> dict[str, Any]:
    """What `verify --json` says of a bundle; the keys are a stable interface."""
    return {
        "bundle": opened.id,
        "file_sha256": opened.archive.file_sha256,
        "repacked": opened.archive.repacked,
        "contact": opened.index.contact or None,
        "url": opened.index.url or None,
        "notes": list(opened.warnings),
        "refused": None,
        "passed": not any(fails(verdict, request) for verdict in verdicts),
        "results": [_verdict_as_data(verdict, request) for verdict in verdicts],
    }


def _verdict_as_data(verdict: Verdict, request: VerifyRequest) -> dict[str, Any]:
    entry, rescored = verdict.sent.entry, verdict.rescored
    return {
        "label": entry.label,
        "protocol": entry.protocol,
        "profile": entry.profile,
        "level": verdict.level,
        "reached": LEVELS[verdict.level],
        "passed": not fails(verdict, request),
        "rescored": list(rescored.checked) if rescored is not None and verdict.level >= RESCORED else [],
        "contradictions": list(verdict.problems),
        "not_tried": list(verdict.untried),
        "notes": list(verdict.notes),
    }


def opened_or_refused(path: Path, console: Console) -> Bundle | str:
    """Level 0, with what the bundle is; why where it is not intact."""
    from facesr_bench.base.errors import ResultsError
    from facesr_bench.evaluation.verify import open_bundle

    try:
        opened = open_bundle(path)
    except ResultsError as error:
        if not path.is_file():
            raise
        console.print(f"[bold red]refused[/] {_plain(str(error))}", highlight=False, soft_wrap=True)
        return str(error)
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
    for verdict in verdicts:
        reached = f"{verdict.sent.name}: level {verdict.level}, {LEVELS[verdict.level]}"
        if verdict.rescored is not None and verdict.level >= RESCORED:
            reached += f" ({', '.join(verdict.rescored.checked)})"
        console.print(f"[bold]{_plain(reached)}[/]", highlight=False, soft_wrap=True)
        for style, word, found in (
            ("bold red", "contradiction", verdict.problems),
            ("yellow", "not tried", verdict.untried),
            ("dim", "note", verdict.notes),
        ):
            for text in found:
                console.print(f"  [{style}]{word}[/] {_plain(text)}", highlight=False, soft_wrap=True)


def _closing(verdicts: Sequence[Verdict], request: VerifyRequest) -> str:
    """One sentence for who reads only one."""
    wrong = sum(bool(verdict.problems) for verdict in verdicts)
    below = sum(verdict.level < request.demanded for verdict in verdicts)
    if wrong:
        return f"NOT believed: {wrong} of {len(verdicts)} results contradicted"
    if below:
        return f"nothing contradicts it, but {below} of {len(verdicts)} results did not reach level {request.demanded}"
    lowest = min(verdict.level for verdict in verdicts)
    means = {
        INTACT: "the file is whole; its numbers are the sender's word",
        CONSISTENT: "its means follow from its values, which are the sender's word",
        RESCORED: "its numbers were computed anew here, from its pictures",
        RERUN: "its pictures were made anew here, and its numbers with them",
    }
    return f"nothing contradicts it: {means[lowest]}"


def fails(verdict: Verdict, request: VerifyRequest) -> bool:
    """Whether a result was contradicted, or did not reach the level that was asked for."""
    return bool(verdict.problems) or verdict.level < request.demanded


def _plain(text: str) -> str:
    """A stranger's text: on one line, no markup."""
    from rich.markup import escape

    from facesr_bench.base.text import one_line

    return escape(one_line(text))
