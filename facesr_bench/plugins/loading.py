"""Finds plug-in folders and imports from them."""

from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path
from types import ModuleType

CARD_FILE = "card.toml"

_PACKAGE = "_facesr_bench_plugins"


def bundled_folder(name: str) -> Path:
    """The folder `methods`, `datasets` or `reports`: the checkout's own, or the copy inside an installed package."""
    package = Path(__file__).resolve().parents[1]
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
