"""What the checks of every kind of plug-in are made of."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from facesr_bench.base.errors import PLUGIN_ERRORS, FaceSRBenchError, describe
from facesr_bench.base.process_state import World
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize

T = TypeVar("T")


@dataclass(frozen=True)
class Expected:
    """The images that a method of finished pictures is to have one of each.

    Attributes:
        ids: of the images; size: height and width of their ground truth; None: not the same for all, or not known.
    """

    ids: Sequence[str]
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Attributes:
        problem: what is wrong; None where it passed.
        details: a traceback, where there is one.
        note: what a reader should know of a check that passed, or why the ones after it are left out.
    """

    name: str
    problem: str | None = None
    details: str = ""
    note: str = ""


def attempt(name: str, check: Callable[[], str | None]) -> Check:
    """Run one check; what it returns is the problem, and so is what it raises."""
    return made(name, check)[0]


def made(name: str, make: Callable[[], T]) -> tuple[Check, T | None]:
    """As `attempt`, for a check that makes something: a text that is returned is a problem."""
    try:
        with World():
            found = make()
    except FaceSRBenchError as error:
        return Check(name, str(error), getattr(error, "details", "")), None
    except PLUGIN_ERRORS as error:
        return Check(name, describe(error), traceback.format_exc()), None
    return Check(name, found if isinstance(found, str) else None), found


def all_of(checks: Mapping[str, Callable[[T], str | None]], ready: T) -> Iterator[Check]:
    """Each check of what is ready, by name, in order."""
    for name, check in checks.items():
        yield attempt(name, lambda check=check: check(ready))  # type: ignore[misc]


def faces(side: int, count: int) -> list[Image8]:
    """Smooth random pictures with some detail, side x side x 3 uint8; the same ones each time."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)
    return [resize(picture, (side, side)) for picture in coarse]
