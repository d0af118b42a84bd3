"""What users ask for by a name the field knows and is not here: why, and what to do instead."""

from __future__ import annotations

import re
from pathlib import Path

from facesr_bench.base.toml import read_toml

FILE = Path(__file__).resolve().parent.parent / "degradations" / "absent.toml"


def why_absent(name: str) -> str:
    """A line to stand behind the message for an unknown degradation, or protocol of one; empty where nothing is known.

    Args:
        name: as it was asked for: `bfr-full`, `hq512-bfr-full`, `BFR512`.
    """
    words = re.split(r"[-_. ]", name.casefold())
    for entry in read_toml(FILE).values():
        if any(word.startswith(known) for word in words for known in entry["named"]):
            return "\n  " + str(entry["says"]).strip().replace("\n", "\n  ")
    return ""
