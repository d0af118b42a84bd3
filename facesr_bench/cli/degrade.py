"""`facesr-bench degrade`"""

from __future__ import annotations

import argparse
from pathlib import Path

from facesr_bench.base.text import counted
from facesr_bench.cli import FAILED, MISUSED, OK
from facesr_bench.cli.streams import make_console, showing

EXAMPLES = """examples:
  facesr-bench degrade ffhq_test --degradation gfpgan --out lq
  facesr-bench degrade ffhq_test --degradation ./mine --out lq

Each picture is brought to 512x512 (smaller ones are refused) and degraded; what is drawn depends on the degradation's
name and the picture's alone. The files have the same pixels as the LR pictures of protocol hq512-NAME. manifest.json
has what was drawn, the sha256 of each picture's pixels, and the libraries that made them. Exit status: 0 all well, 1 a
picture could not be degraded, 2 nothing could."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES
    parser.add_argument("pictures", type=Path, metavar="DIR", help="FFHQ-aligned faces, square, 512 px or larger")
    parser.add_argument("--degradation", required=True, metavar="NAME", help="a name (`list degradations`) or a folder")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="a new or empty folder, or one that this command filled"
    )
    parser.set_defaults(handler=degrade)


def degrade(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from rich.markup import escape

    from facesr_bench.data import degrade as degrading

    notes = make_console(stderr=True, soft_wrap=True)
    done = degrading.degrade(
        arguments.pictures,
        arguments.degradation,
        arguments.out,
        each=showing("degrading", notes),
    )
    for image_id, reason in list(done.failed.items())[:20]:
        notes.print(f"[bold red]failed[/] {escape(image_id)}: {escape(reason)}", highlight=False)
    if len(done.failed) > 20:
        notes.print(f"[bold red]failed[/] ... and {len(done.failed) - 20} more; manifest.json has them all")
    notes.print(escape(f"{counted(len(done.images), 'picture')} as of {done.name} in {arguments.out}"), highlight=False)
    if not done.images:
        return MISUSED
    return FAILED if done.failed else OK
