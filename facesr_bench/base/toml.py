"""Reading TOML files, with errors that name the file and line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from facesr_bench.base.errors import CardError
from facesr_bench.base.files import read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file; one that begins with a BOM (Windows' Notepad) too.

    Raises:
        CardError: unreadable or not TOML; names the file and line.
    """
    try:
        return tomllib.loads(read_text(path, "utf-8-sig"))
    except OSError as error:
        raise CardError(f"{path}: can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise CardError(f"{path}: not a TOML file: it is no text in UTF-8 (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise CardError(f"{path}: not valid TOML: {error}") from error
