"""How many pixels threads may decode side by side: a few kilobytes of PNG can unfold to hundreds of megabytes.

    with room.visit():            # a thread reads what it makes one sample of
        picture = read_image(path)  # waits here while others hold large pictures
        ...                         # crops it, reduces it

What is decoded in a visit counts until the visit ends.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

PIXELS = 2**25
"""What all visits may hold together; a picture that is larger by itself is read alone."""


class Room:
    """Room for so many pixels, shared by the threads of this process."""

    def __init__(self, pixels: int = PIXELS) -> None:
        self._pixels = pixels
        self._held: dict[int, int] = {}
        self._changed = threading.Condition()
        self._numbers = count()
        self._here = threading.local()

    @contextmanager
    def visit(self) -> Iterator[None]:
        """What this thread decodes in the block is let go of at its end; a visit within a visit is the same visit."""
        if getattr(self._here, "number", None) is not None:
            yield
            return
        self._here.number = next(self._numbers)
        try:
            yield
        finally:
            with self._changed:
                self._held.pop(self._here.number, None)
                self._here.number = None
                self._changed.notify_all()

    def take(self, pixels: int) -> None:
        """Wait until there is room for a picture; within a visit."""
        number: int = self._here.number
        with self._changed:
            self._changed.wait_for(lambda: self._fits(number, pixels))
            self._held[number] = self._held.get(number, 0) + pixels

    def _fits(self, number: int, pixels: int) -> bool:
        held = sum(self._held.values())
        # The oldest of those that hold something never waits, so they can't all wait for each other.
        return not held or held + pixels <= self._pixels or number == min(self._held)


_ROOM = Room()
visit, take = _ROOM.visit, _ROOM.take
