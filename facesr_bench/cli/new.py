"""`facesr-bench new`"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from pathlib import Path

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.cli import OK

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
USES = {
    "method": "run it:    facesr-bench run --methods {folder},bicubic",
    "degradation": 'use it:    degradation = "./{name}" in the card of a dataset (or in a recipe) that it lies beside',
}
"""How each kind of plug-in that can be begun here is used."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = "example:\n  facesr-bench new method mynet\n  facesr-bench run --methods ./mynet,bicubic"
    parser.add_argument("kind", choices=tuple(USES))
    parser.add_argument("name", help="lower-case letters, digits, and . _ -")
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="where the folder is made (default: here)"
    )
    parser.set_defaults(handler=new)


def new(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.plugins import registry

    kind, name = arguments.kind, arguments.name
    if not NAME.fullmatch(name):
        raise FaceSRBenchError(
            f"name {name!r}: use lower-case letters, digits, and . _ - only, at most 64; --out says where"
        )
    folder = arguments.out / name
    known = registry.methods() if kind == "method" else registry.degradations()
    if name in known.names():
        raise FaceSRBenchError(f"a {kind} called {name!r} is there already (see `list {kind}s`); choose another name")
    if folder.exists():
        raise FaceSRBenchError(f"{folder}: is there already; choose another name, or remove it")
    templates = Path(__file__).with_name("templates") / kind
    try:
        folder.mkdir(parents=True)
        for template in sorted(templates.iterdir()):
            if template.is_file():
                text = template.read_text(encoding="utf-8").replace("@NAME@", name)
                (folder / template.name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise FaceSRBenchError(f"{folder}: can't be made: {error.strerror or error}") from error
    shown = shlex.quote(str(folder) if folder.is_absolute() else f"./{folder}")
    sys.stdout.write(
        f"made {shown} (card.toml, {kind}.py)\n"
        f"  check it:  facesr-bench validate {shown}\n"
        f"  {USES[kind].format(folder=shown, name=name)}\n"
    )
    return OK
