"""Tells paths from names, and suggests the known name that was meant."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path


def is_path(spec: str) -> bool:
    """Whether a user's word means a folder rather than a name."""
    return os.sep in spec or spec.startswith((".", "~"))


def expanded(text: str | os.PathLike[str]) -> Path:
    """The path that a user's text means: `~` and `~name` are home folders, where there is one of that name."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser raises where nobody has that name


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was meant, or None."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)), None)


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The message for an unknown name: did you mean, and what there is."""
    known = sorted(known)
    close = closest(name, known)
    hint = f"; did you mean {close!r}?" if close else ""
    return f"no {kind} is called {name!r}{hint}\n  known: {', '.join(known)}"
