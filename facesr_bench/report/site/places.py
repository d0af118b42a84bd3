"""What a page that others read says of the author's machine: the names of files, not where they lie."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.record import Manifest
from facesr_bench.results.store import Result

_START = r"(?:~|[A-Za-z]:)?[/\\]"
_QUOTED = re.compile(rf"(['\"])({_START}(?![/\\])[^'\"\n]+)\1")
_BARE = re.compile(rf"(?:^|(?<=[\s=(\[,@:])|(?<=file://)){_START}(?![/\\])[^\s'\"=,;:()\[\]<>]+", re.MULTILINE)
_WHOLE = re.compile(rf"{_START}(?![/\\])[^\n]+")


class Published(Result):
    """A result as a site shows it."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.folder, Manifest.from_json(without_places(result.manifest.to_json())))
        self._read = result

    def sets(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = without_places(self._read.sets())
        return found

    @cached_property
    def images(self) -> dict[str, ImageRecord]:
        """What was read already, with no more of it copied than has to be changed."""
        return {image_id: _published(row) for image_id, row in self._read.images.items()}


def _published(row: ImageRecord) -> ImageRecord:
    if not row.error and not row.reasons:
        return row
    reasons = {name: base_names(reason) for name, reason in row.reasons.items()}
    return replace(row, error=row.error and base_names(row.error), reasons=reasons)


def without_places(value: Any, key: str = "") -> Any:
    """JSON with the base names of the files that its texts name; the place of data in a command becomes DIR."""
    if isinstance(value, dict):
        return {name: without_places(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [without_places(each) for each in value]
    if not isinstance(value, str):
        return value
    return _command(value) if key == "command" else base_names(value)


@lru_cache(maxsize=1024)  # an image's reason is mostly that of the image before it
def base_names(text: str) -> str:
    """A text with the base names of the files that it names by absolute paths."""
    if _WHOLE.fullmatch(text) and ": " not in text:
        return _base(text)
    text = _QUOTED.sub(lambda found: f"{found[1]}{_base(found[2])}{found[1]}", text)
    return _BARE.sub(lambda found: _base(found[0]), text)


def _base(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1] or path


def _command(text: str) -> str:
    if base_names(text) == text and "--data" not in text:
        return text
    try:
        words = shlex.split(text)
    except ValueError:
        return base_names(text)
    shown = []
    for before, word in zip(["", *words], words, strict=False):
        name, given, place = word.removeprefix("--data=").partition("=")
        if given and (before == "--data" or word.startswith("--data=")):
            shown.append(f"{'--data=' if word.startswith('--data=') else ''}{shlex.quote(name)}=DIR")
        elif given and _WHOLE.fullmatch(place) and "," not in place:
            shown.append(shlex.quote(f"{name}={_base(place)}"))
        else:
            shown.append(shlex.quote(base_names(word)))
    return " ".join(shown)
