"""What the check has come to, a line of JSON at a time: whoever ends halfway has written down all that was there."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Key = tuple[str, str]
"""A part of the check, and the name of a line in it."""


@dataclass(frozen=True)
class Line:
    """What came of one method, metric, speed or evaluation.

    Attributes:
        well: within the tolerance; None: it could not be tried.
        said: how far it is off, or why it was not tried.
        figures: what else is worth keeping.
    """

    well: bool | None
    said: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass
class Journal:
    """Read anew by `read`; written by the process that computes, and by the one that watches it where it has ended.

    Attributes:
        facts: of the machine.
        keys: every line that there is to compute, in its order; empty before the first was begun.
        lines: those that have come to something, and seconds of each.
        begun: what is being computed, and since when.
    """

    path: Path
    facts: dict[str, Any] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)
    lines: dict[Key, Line] = field(default_factory=dict)
    seconds: dict[Key, float] = field(default_factory=dict)
    begun: tuple[Key, float] | None = None
    _read: int = 0

    def plan(self, facts: dict[str, Any], keys: list[Key]) -> None:
        self._write({"facts": facts, "keys": keys})

    def begin(self, key: Key) -> None:
        self._write({"begun": key, "at": time.time()})

    def end(self, key: Key, line: Line) -> None:
        self._write({"ended": key, "at": time.time(), **asdict(line)})

    def _write(self, record: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")

    def read(self) -> bool:
        """Take in what was written since; whether there was anything."""
        if not self.path.exists():
            return False
        with self.path.open("rb") as stream:
            stream.seek(self._read)
            new = stream.read()
        whole = new[: new.rfind(b"\n") + 1]  # a process may have been killed while it wrote
        self._read += len(whole)
        for text in whole.splitlines():
            self._take(json.loads(text))
        return bool(whole)

    def _take(self, record: dict[str, Any]) -> None:
        if "keys" in record:
            self.facts, self.keys = record["facts"], [(part, name) for part, name in record["keys"]]
        elif "begun" in record:
            part, name = record["begun"]
            self.begun = (part, name), record["at"]
        else:
            part, name = record["ended"]
            assert self.begun is not None and self.begun[0] == (part, name)
            self.seconds[part, name] = round(record["at"] - self.begun[1], 1)
            self.lines[part, name] = Line(record["well"], record["said"], record["figures"])
            self.begun = None
