"""What the program says to other programs: JSON that every reader of JSON reads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def json_text(value: Any, *, ascii_only: bool = False) -> str:
    """A value as indented JSON with a line break behind it.

    JSON has no infinity: infinite numbers are the texts `inf` and `-inf`, as in images.jsonl; NaN is null.

    Args:
        value: of dicts, lists, tuples, texts, numbers, booleans and None.
        ascii_only: write other characters as escapes, for streams that can't hold them.

    Raises:
        TypeError: there is something else in it.
    """
    return json.dumps(_plain(value), indent=2, ensure_ascii=ascii_only, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value
