"""The whole check: see check.sh, which starts it.

Another process computes it, line by line (`work.py`). This one watches, writes down and prints each line as it comes.
Where a line ends that process or holds it up, that line has failed, and the rest goes on in a new one.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from .journal import Journal, Key, Line

GRACE = 20
"""Seconds that a line may go on after the end of the time."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="gpu.txt, gpu.json and gpu.log go there")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=7.0, help="what has not begun by then is left out, and said")
    parser.add_argument("--patience", type=float, help="seconds that one line may take (default: 120, on a CPU 600)")
    parser.add_argument("--faces", type=Path, help="HR faces; without, crops of one that scikit-image ships")
    parser.add_argument("--quick", action="store_true", help="few faces, small batches")
    asked = parser.parse_args()
    if asked.device.startswith("cuda"):
        import torch

        if not torch.cuda.is_available():
            raise SystemExit("check: torch sees no GPU here; --device cpu --quick shows what it would do")
    end = time.time() + 60 * asked.minutes
    how = [asked.device, "quick" if asked.quick else "", str(asked.faces or ""), str(end)]
    patience = asked.patience or (120 if asked.device.startswith("cuda") else 600)
    return check(asked.out, lambda path: [sys.executable, "-m", "tests.gpu.work", str(path), *how], end, patience)


def check(out: Path, command: Callable[[Path], Sequence[str]], end: float, patience: float) -> int:
    """Have all lines computed, until the time is over.

    Args:
        out: what there is is always there: gpu.txt for people, gpu.json, and gpu.log with what the other process says.
        command: starts the process that computes, into the journal given.
        end: in seconds of `time.time`; patience: seconds that one line may take.

    Returns:
        0: all lines are well, were not tried, or left out for want of time; 1: some are not.
    """
    out.mkdir(parents=True, exist_ok=True)
    journal = Journal(out / "gpu.jsonl")
    for path in (journal.path, out / "gpu.log"):
        path.unlink(missing_ok=True)
    show = Shown(journal, out)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and so to the end of the other process, below
    while True:
        before = len(journal.lines)
        with (out / "gpu.log").open("ab") as log:
            child = subprocess.Popen(command(journal.path), stdout=log, stderr=log, start_new_session=True)
        try:
            ended = watched(child, journal, end, patience, show.more)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # what compiles is a process of its own
            child.wait()
        if journal.begun is not None:
            late = time.time() >= end
            journal.end(journal.begun[0], Line(None if late else False, f"{'' if late else 'failed: '}{ended}"))
        show.more()
        if ended is None or len(journal.lines) == before or time.time() >= end:
            break
    show.last(ended)
    return 1 if any(line.well is False for line in journal.lines.values()) or not journal.lines else 0


def watched(
    child: subprocess.Popen[bytes], journal: Journal, end: float, patience: float, tell: Callable[[], None]
) -> str | None:
    """See a process to its end; how that came about, unless it has done all that it could."""
    while True:
        rc = child.poll()
        tell()
        if rc is not None:
            return None if rc == 0 else f"the process ended with status {rc} (see gpu.log)"
        now = time.time()
        if now > end + GRACE:
            return "the time was over"
        if journal.begun is not None and now > journal.begun[1] + patience:
            return f"it was not done in {patience:.0f} s"
        time.sleep(0.2)


class Shown:
    """The lines that there are, on the terminal and in files."""

    def __init__(self, journal: Journal, out: Path) -> None:
        self._journal, self._out = journal, out
        self._text: list[str] = []
        self._told: set[Key] = set()

    def more(self) -> None:
        """Tell what is new."""
        journal = self._journal
        if not journal.read():
            return
        if not self._text and journal.facts:
            self._say(f"{journal.facts['card']}, torch {journal.facts['environment']['packages']['torch']}")
        for key, line in journal.lines.items():
            if key in self._told:
                continue
            if not any(part == key[0] for part, _ in self._told):
                self._say(f"\n{key[0]}")
            self._told.add(key)
            mark = {True: "ok", False: "WRONG", None: "not tried"}[line.well]
            self._say(f"  {key[1]:38}{mark:10}{journal.seconds[key]:6.1f} s  {line.said}")
        self._write()

    def last(self, ended: str | None) -> None:
        """How much there was in all."""
        journal = self._journal
        lines = list(journal.lines.values())
        left = [f"{part}: {name}" for part, name in journal.keys if (part, name) not in journal.lines]
        counts = [(mark, sum(line.well is mark for line in lines)) for mark in (True, False, None)]
        words = {True: "ok", False: "WRONG", None: "not tried"}
        self._say("\n" + ", ".join(f"{count} {words[mark]}" for mark, count in counts) + f", {len(left)} left out")
        if ended is not None:
            self._say(f"the last process: {ended}")
        self._text += [f"left out: {name}" for name in left]
        if left:
            sys.stdout.write("left out: " + "; ".join(left) + "\n")
        self._write()

    def _say(self, text: str) -> None:
        self._text.append(text)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def _write(self) -> None:
        journal = self._journal
        (self._out / "gpu.txt").write_text("\n".join(self._text) + "\n", encoding="utf-8")
        facts = {
            **journal.facts,
            "lines": [
                {"part": part, "name": name, "seconds": journal.seconds[part, name], **asdict(line)}
                for (part, name), line in journal.lines.items()
            ],
            "left_out": [key for key in journal.keys if key not in journal.lines],
        }
        (self._out / "gpu.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
