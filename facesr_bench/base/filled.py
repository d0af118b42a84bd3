"""Folders that a command fills with pictures and a manifest: whether one may be filled, or filled anew."""

from __future__ import annotations

import json
from pathlib import Path

from facesr_bench.base.errors import DataError
from facesr_bench.base.files import check_writable, own, read_text, write_json

MANIFEST = "manifest.json"
COMMAND = "command"
"""What a manifest says of the command that made it: `facesr-bench align`, for one."""


def begin(source: Path, out: Path, command: str, *folders: str) -> None:
    """Find out whether a folder can take what is made, and remove what an earlier call has left in it.

    From here on its manifest says that it is not complete: a call that was ended half-way may be made again.

    Args:
        source: where the pictures are that something is made of; or one of them.
        out: new, empty, or filled by this very command.
        command: as `called` has it.
        folders: of `out`, whose PNGs are removed; an empty text for `out` itself.

    Raises:
        DataError: the pictures of the source lie where what is made would, or it holds what this command did not make.
        ResultsError: it can't be written.
    """
    check_writable(out)
    taken = (source if source.is_dir() else source.parent).resolve()
    if taken in {out.resolve(), *((out / name).resolve() for name in folders)}:
        raise DataError(f"{out}: the pictures to work on are there; give another folder with --out")
    made_by = _made_by(out / MANIFEST)
    if made_by != command and any(out.iterdir()):
        why = f"is filled by `{made_by}`" if made_by else f"holds files that `{command}` did not make"
        raise DataError(f"{out}: {why}; give an empty or new folder with --out")
    write_json(out / MANIFEST, {"schema_version": 1, COMMAND: command, "complete": False})
    for name in folders:
        for path in (own(out, name) if name else out).glob("*.png"):
            if path.is_file() and not path.is_symlink():
                path.unlink()


def finish(out: Path, command: str, record: dict[str, object]) -> None:
    """Write the manifest of a folder that is filled.

    Raises:
        ResultsError: it can't be written.
    """
    write_json(out / MANIFEST, {"schema_version": 1, COMMAND: command, "complete": True, **record})


def _made_by(manifest: Path) -> str | None:
    """The command that wrote it; None for any other file: others call theirs so too, and what lies beside is theirs."""
    try:
        found = json.loads(read_text(manifest))
    except (OSError, ValueError):
        return None
    command = found.get(COMMAND) if isinstance(found, dict) else None
    return command if isinstance(command, str) and command.startswith("facesr-bench ") else None
