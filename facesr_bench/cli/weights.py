"""`facesr-bench weights`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesr_bench.cli import FAILED, OK, as_json
from facesr_bench.cli.as_json import add_json
from facesr_bench.cli.options import number
from facesr_bench.cli.streams import make_console, say

if TYPE_CHECKING:
    from rich.console import Console

    from facesr_bench.weights.catalogue import Entry
    from facesr_bench.weights.fetching import Arrival
    from facesr_bench.weights.store import Status

EPILOG = """examples:
  facesr-bench weights list
  facesr-bench weights list --json
  facesr-bench weights fetch lpips-alex fid-inception sparnet@official
  facesr-bench weights import ~/Downloads/buffalo_l.zip      on a machine without internet
  facesr-bench weights verify                                read every file again
  facesr-bench weights path arcface
  facesr-bench weights export runs/sparnet/best.safetensors --out sparnet.safetensors --licence "research use only"

environment:
  FACESR_BENCH_CACHE    where files go (default: $XDG_CACHE_HOME/facesr-bench, ~/.cache/facesr-bench)
  FACESR_BENCH_MIRROR   a URL that replaces scheme and host of every download; tried first
  FACESR_BENCH_OFFLINE  1: never download

facesr-bench.toml, here or in ~/.config/facesr-bench as config.toml:
  [weights]
  folder = "/scratch/weights"              where files go
  arcface = "nets/w600k_r50.onnx"          where one of `list` is
  "lpips@squeeze" = "nets/squeeze.pth"     your own file for a metric's network, or for a method's weights

exit status: 0; 1 if a file could not be had or is not right; 2 for misuse, such as an unknown name"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="what there is, what is here, under which licence")
    add_json(listing, "all that is known of each, a list of objects")
    listing.set_defaults(handler=show_list)

    fetching = actions.add_parser("fetch", help="download what is not here yet; an interrupted download goes on")
    fetching.add_argument("names", nargs="+", metavar="NAME", help="of `list`, METHOD@WEIGHTS or FOLDER@WEIGHTS")
    fetching.add_argument("--timeout", type=_seconds, default=30.0, metavar="S", help="without a byte (default: 30)")
    fetching.add_argument(
        "--accept-licence", action="store_true", help="of weights that are not for commercial use: don't ask"
    )
    fetching.set_defaults(handler=fetch)

    importing = actions.add_parser("import", help="take files that were brought here; recognised by their hash")
    importing.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a checkpoint, or the zip it comes in")
    importing.set_defaults(handler=import_files)

    verifying = actions.add_parser("verify", help="read files again and compare their hashes")
    verifying.add_argument("names", nargs="*", metavar="NAME", help="default: everything that is here")
    add_json(verifying, "what became of each, a list of objects")
    verifying.set_defaults(handler=verify)

    path = actions.add_parser("path", help="print where a verified file is")
    path.add_argument("name", metavar="NAME")
    path.set_defaults(handler=show_path)

    exporting = actions.add_parser("export", help="a training's checkpoint as the file to ship: fp16, with its history")
    exporting.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="best.safetensors or last.safetensors")
    exporting.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .safetensors file to write")
    exporting.add_argument("--licence", required=True, metavar="TEXT", help="of the weights")
    exporting.add_argument("--data", metavar="TEXT", help="what they were trained on (default: what the file says)")
    exporting.add_argument(
        "--max-mb", type=number, default=25.0, metavar="MB", help="refuse a larger one (default: 25)"
    )
    exporting.set_defaults(handler=export)


def show_list(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    return _write_list() if arguments.json else _print_list()


def _write_list() -> int:
    """The list as JSON: the facts of the table, the state of a file also as one word (`verdict`)."""
    from facesr_bench.base.errors import WeightsError
    from facesr_bench.weights import store
    from facesr_bench.weights.catalogue import entries

    found = []
    for entry in entries():
        facts: dict[str, Any] = {"name": entry.name, "purpose": entry.purpose, "file": entry.file}
        facts |= {"path": str(entry.path), "size": entry.size, "licence": entry.licence}
        facts |= {"urls": list(entry.urls), "sha256": entry.sha256}
        try:
            facts |= {**_verdict(entry, store.check(entry)), "error": None}
        except WeightsError as error:
            facts |= {"verdict": None, "usable": False, "state": None, "error": str(error)}
        found.append(facts)
    as_json.write(found)
    return FAILED if any(facts["error"] for facts in found) else OK


def _verdict(entry: Entry, status: Status) -> dict[str, Any]:
    return {"verdict": status.verdict, "usable": status.usable, "state": _state(entry, status)}


def _print_list() -> int:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from facesr_bench.base.errors import WeightsError
    from facesr_bench.base.hashing import weights_folder
    from facesr_bench.weights import store
    from facesr_bench.weights.catalogue import entries

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("weights", no_wrap=True)
    table.add_column("what it is", overflow="fold")
    unreadable = False
    for entry in entries():
        try:
            state = _state(entry, store.check(entry))
        except WeightsError as error:
            unreadable, state = True, str(error)
        facts = [state, entry.file, *([_bytes(entry.size)] if entry.size else []), entry.licence]
        table.add_row(Text(entry.name, style="bold"), Text.assemble(entry.purpose, "\n", (" · ".join(facts), "dim")))
    console = make_console()
    console.print(table)
    console.print(f"files are in {weights_folder()}", highlight=False, markup=False, soft_wrap=True)
    return FAILED if unreadable else OK


def fetch(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.base.errors import WeightsError
    from facesr_bench.weights import fetching
    from facesr_bench.weights.catalogue import find
    from facesr_bench.weights.download import Transfer

    known = list(dict.fromkeys(find(name) for name in arguments.names))
    failed = False
    unreachable: set[str] = set()
    for entry in known:
        if not (arguments.accept_licence or _accepted(entry)):
            failed = True
            continue
        with _Bar(entry.name) as bar:
            transfer = Transfer(timeout=arguments.timeout, progress=bar.update, unreachable=unreachable)
            try:
                _report(fetching.fetch(entry, fetching.Options(transfer=transfer, on_message=bar.say)), bar.out)
            except WeightsError as error:
                failed = True
                bar.error(error)
    return FAILED if failed else OK


def _accepted(entry: Entry) -> bool:
    """Show the licence of what is not for commercial use before it is fetched for the first time, and ask.

    Returns:
        False where it was refused, or nobody is there to be asked.
    """
    from facesr_bench.weights import store

    if not entry.non_commercial or store.check(entry).usable:
        return True
    say(f"{entry.name}: licence: {entry.licence}")
    if not sys.stdin.isatty():
        _complain(f"{entry.name}: not fetched; if you accept this licence, say so: --accept-licence")
        return False
    say("Fetch it under this licence? [y/N]")
    if sys.stdin.readline().strip().lower() in {"y", "yes"}:
        return True
    _complain(f"{entry.name}: not fetched: its licence was not accepted")
    return False


def import_files(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.base.errors import WeightsError
    from facesr_bench.weights.fetching import import_file

    failed = False
    for path in arguments.files:
        try:
            for arrival in import_file(path.expanduser()):
                _report(arrival, make_console())
        except WeightsError as error:
            failed = True
            _complain(error)
    return FAILED if failed else OK


def verify(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.base.hashing import weights_folder
    from facesr_bench.weights import store
    from facesr_bench.weights.catalogue import entries, find

    known = [find(name) for name in arguments.names] or [entry for entry in entries() if entry.path.is_file()]
    out = as_json.console_of(arguments, soft_wrap=True)
    if not known:
        out.print(f"nothing to verify: no weights in {weights_folder()}", markup=False)
    found = []
    for entry in known:
        status = store.trust(entry, fresh=True)
        problem = None if status.usable else _problem(entry, status)
        if problem is None:
            out.print(f"{entry.name}: {_state(entry, status)}", markup=False, highlight=False)
        else:
            _complain(f"{entry.name}: {problem}")
        found.append({"name": entry.name, "path": str(entry.path), **_verdict(entry, status), "problem": problem})
    if arguments.json:
        as_json.write(found)
    return OK if all(facts["usable"] for facts in found) else FAILED


def _problem(entry: Entry, status: Status) -> str:
    """What is wrong with a file, and what to do."""
    if status.verdict == "missing":
        return "not on this machine"
    return f"{entry.path}: {status.problem}; get it again: facesr-bench weights fetch {entry.typed}"


def show_path(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.base.errors import WeightsError
    from facesr_bench.weights import require
    from facesr_bench.weights.catalogue import find
    from facesr_bench.weights.resolve import shipped_path

    path = shipped_path(arguments.name)
    if path is None:
        find(arguments.name)  # an unknown name is misuse, a missing file is not
    try:
        print(path or require(arguments.name))  # noqa: T201 - for `$(...)`: bare, never wrapped
    except WeightsError as error:
        _complain(error)
        return FAILED
    return OK


def export(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.training.export import export as write

    written = write(
        arguments.checkpoint.expanduser(),
        arguments.out.expanduser(),
        licence=arguments.licence,
        data=arguments.data,
        max_megabytes=arguments.max_mb,
    )
    out = make_console()
    out.print(
        f"{written.path}: {_bytes(written.size)}; for card.toml:\n", markup=False, highlight=False, soft_wrap=True
    )
    out.print(written.card(), markup=False, highlight=False, soft_wrap=True)
    return OK


class _Bar:
    """A progress bar where someone is looking, plain lines where not."""

    def __init__(self, name: str) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        self.out, self._errors = make_console(), make_console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._errors, transient=True, disable=not self._errors.is_terminal)
        self._task = self._bar.add_task(name, total=None, visible=False)

    def __enter__(self) -> _Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def update(self, done: int, total: int | None) -> None:
        self._bar.update(self._task, completed=done, total=total, visible=True)

    def say(self, line: str) -> None:
        self._errors.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)

    def error(self, error: object) -> None:
        self._bar.stop()
        _complain(error)


def _complain(error: object) -> None:
    say(f"facesr-bench: {error}")


def _report(arrival: Arrival, console: Console) -> None:
    how = {
        "here": "already here",
        "fetched": f"fetched from {arrival.origin}",
        "imported": f"imported from {arrival.origin}, recognised by its "
        + {"sha256": "sha256", "member": "member in the zip", "name": "file name", "": ""}[arrival.recognised_by],
    }[arrival.how]
    state = _state(arrival.entry, arrival.status)
    console.print(
        f"{arrival.entry.name}: {how}; {state}\n  {arrival.entry.path}", markup=False, highlight=False, soft_wrap=True
    )


def _state(entry: Entry, status: Status) -> str:
    if status.verdict == "missing":
        return "not here" if entry.urls else "not here, to be had by hand only"
    if status.verdict == "wrong":
        return f"WRONG FILE: {status.problem}"
    if status.verdict == "verified":
        return "sha256 verified"
    if entry.sha256_by:
        pinned = "pinned on first use" if status.verdict == "pinned" else "to be pinned on first use"
        return f"sha256 as {entry.sha256_by} state it, {pinned}"
    prefix = f"sha256 begins as published ({entry.sha256_prefix}), " if entry.sha256_prefix else "no hash published, "
    return prefix + ("pinned on first use" if status.verdict == "pinned" else "to be pinned on first use")


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 86_400:
        raise argparse.ArgumentTypeError(f"{text}: must be seconds, more than 0 and less than a day")
    return value
