"""`facesr-bench align`"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.base.text import counted
from facesr_bench.cli import FAILED, OK
from facesr_bench.cli.options import number, whole
from facesr_bench.cli.streams import make_console, showing

if TYPE_CHECKING:
    from facesr_bench.evaluation.photographs import Aligned
    from facesr_bench.evaluation.restore import Restoration

EXAMPLES = """examples:
  facesr-bench align photos --out faces
  facesr-bench align party.jpg --out faces --detector yunet --size 256

Every face is turned and scaled so that its eyes, nose and mouth lie as in FFHQ (five points, least squares), and
written to OUT/faces. What reaches over the photograph's border is gray. OUT/manifest.json has, of each face, its
points, box, transform, rotation, by how much it was enlarged, and of each photograph without a face, why. Photographs
in which no face stands upright are turned by quarters. Exit status: 0 all well, 1 a photograph gave no face, 2 nothing
could be done."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES
    parser.add_argument("photographs", type=Path, metavar="PHOTOS", help="a folder of photographs, or one of them")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="a new or empty folder, or one that this command filled"
    )
    add_finding(parser)
    parser.set_defaults(handler=align)


def add_finding(parser: argparse.ArgumentParser) -> None:
    """The options that say how faces are found and cut out."""
    parser.add_argument(
        "--detector",
        choices=("auto", "scrfd", "yunet", "dlib"),
        default="auto",
        help="what finds faces (default: the first of scrfd, yunet, dlib that is on this machine)",
    )
    parser.add_argument(
        "--size", type=_side, default=512, metavar="PX", help="side of the aligned faces, px (default: 512)"
    )
    parser.add_argument(
        "--smallest",
        type=_distance,
        default=5.0,
        metavar="PX",
        help="leave out faces with fewer px between the eyes than this (default: 5)",
    )


def _side(text: str) -> int:
    side = whole(text)
    if not 16 <= side <= 4096:
        raise argparse.ArgumentTypeError(f"from 16 to 4096 px, not {side}")
    return side


def _distance(text: str) -> float:
    distance = number(text)
    if not 0 <= distance < 1e6:
        raise argparse.ArgumentTypeError(f"from 0 to 1,000,000 px, not {text}")
    return distance


def align(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from rich.markup import escape

    from facesr_bench.evaluation import photographs

    notes = make_console(stderr=True, soft_wrap=True)
    done = photographs.align(
        arguments.photographs,
        arguments.out,
        detector=arguments.detector,
        size=arguments.size,
        smallest=arguments.smallest,
        each=showing("aligning", notes),
    )
    say_failed(done.failed)
    if done.left_out:
        notes.print(f"{counted(done.left_out, 'face')} left out, too small; manifest.json has them (--smallest)")
    notes.print(escape(f"{found_in(done)}; they are in {arguments.out / 'faces'}"), highlight=False)
    return FAILED if done.failed else OK


def found_in(done: Aligned | Restoration) -> str:
    """How many faces of how many photographs, in words."""
    faces, given = counted(done.count, "face"), counted(done.given, "photograph")
    return f"{faces} in {len(done.photographs)} of {given}, found by {done.detector}"


def say_failed(failed: dict[str, str]) -> None:
    """Print what failed, twenty at most."""
    from rich.markup import escape

    notes = make_console(stderr=True, soft_wrap=True)
    for name, reason in list(failed.items())[:20]:
        notes.print(f"[bold red]failed[/] {escape(name)}: {escape(reason)}", highlight=False)
    if len(failed) > 20:
        notes.print(f"[bold red]failed[/] ... and {len(failed) - 20} more; manifest.json has them all")
