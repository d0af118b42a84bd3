"""What pydantic found wrong in a file, for whoever wrote the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


def problems(error: ValidationError) -> str:
    """What pydantic found, in one line: `ms: Input should be a valid number`."""
    found = []
    for problem in error.errors(include_url=False):
        place = ".".join(str(part) for part in problem["loc"])
        found.append(f"{place}: {problem['msg']}" if place else problem["msg"])
    return "; ".join(found)
