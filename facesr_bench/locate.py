"""Finding plug-in folders and importing from them, with the standard library alone.

Training runs on machines without pydantic, so what it shares with `facesr_bench.plugins` stands here.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from facesr_bench.errors import CardError

if sys.version_info >= (3, 11):
    import tomllib
else:
    try:
        import tomli as tomllib
    except ImportError:  # a bare training machine has no tomli of its own, but pip brings one
        from pip._vendor import tomli as tomllib

CARD_FILE = "card.toml"

_PACKAGE = "_facesr_bench_plugins"


def bundled_folder(name: str) -> Path:
    """The folder `methods`, `datasets` or `reports`: the checkout's own, or the copy inside an installed package."""
    package = Path(__file__).resolve().parent
    if (package.parent / "pyproject.toml").is_file() and (package.parent / name).is_dir():
        return package.parent / name
    return package / "_bundled" / name


def import_from(folder: Path, module: str) -> ModuleType:
    """Import `folder/module.py` under a private package name, so that `from .other import x` works inside it.

    A plug-in's folder is never put on sys.path: a folder called `datasets` must not shadow another library.
    """
    package_name = _package_of(folder)
    if package_name not in sys.modules:
        package = ModuleType(package_name)
        package.__path__ = [str(folder.resolve())]
        sys.modules[package_name] = package
    # Bytecode is matched to its source by size and whole seconds: too coarse for code that is edited between two runs.
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        return importlib.import_module(f"{package_name}.{module}")
    finally:
        sys.dont_write_bytecode = written


def forget(folder: Path) -> None:
    """Let the next `import_from` read `folder`'s files again."""
    package_name = _package_of(folder)
    for name in [name for name in sys.modules if name == package_name or name.startswith(f"{package_name}.")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _package_of(folder: Path) -> str:
    return f"{_PACKAGE}_{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]}"


def is_path(spec: str) -> bool:
    """Whether a user's word means a folder rather than a name."""
    return os.sep in spec or spec.startswith((".", "~"))


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The message for an unknown name: did you mean, and what there is."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"no {kind} is called {name!r}{hint}\n  known: {', '.join(known)}"


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        CardError: unreadable or not TOML; names the file and line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: can't be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise CardError(f"{path}: not valid TOML: {error}") from error
