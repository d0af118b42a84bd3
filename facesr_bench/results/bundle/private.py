"""Takes out of a result what says where it was made, and, for double-blind review, by whom."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.base.grammar import Spec
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.record import Manifest

_PATH = re.compile(r"""(?<![\w./\\~])(?!(?<=:)//)(?:file://)?(?:~?/|~\w+/|[A-Za-z]:[\\/]|\\\\)[^\s'"<>|;:,()\[\]]+""")
"""An absolute path in a text, behind a colon too (`images:/home/me/a`). Not a URL: there two slashes follow it."""


class Scrubber:
    """Replaces absolute paths in texts by their last part.

    Args:
        places: folders of this machine. Whatever is below them is found even where a name has blanks.
        anonymous: also the names of this user and machine.
    """

    def __init__(self, places: Sequence[Path], *, anonymous: bool) -> None:
        known = {
            str(place) for path in (*places, Path.home(), Path.cwd()) for place in (path.absolute(), path.resolve())
        }
        self._places = sorted((place for place in known if len(place) > 1), key=len, reverse=True)
        self._names = _names_of_this_machine() if anonymous else []

    def text(self, text: str) -> str:
        """The text without them."""
        for place in self._places:
            text = text.replace(place + os.sep, "").replace(place, "...")
        text = _PATH.sub(lambda match: re.split(r"[\\/]", match[0].rstrip("\\/"))[-1] or "...", text)
        for name in self._names:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "...", text, flags=re.IGNORECASE)
        return text

    def data(self, value: Any) -> Any:
        """JSON, with every text in it treated so."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.data(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(each) for each in value]
        return value


def _names_of_this_machine() -> list[str]:
    found = [socket.gethostname()]
    try:
        found.append(getpass.getuser())
    except (OSError, KeyError):  # a user without a name
        return found
    return [name for name in found if len(name) > 2 and name not in {"root", "user", "localhost"}]


_SAYS_WHO = {"paper": None, "code": None, "title": "", "summary": "", "argument": None}


def manifest_to_send(manifest: Manifest, scrubber: Scrubber, *, anonymous: bool) -> dict[str, Any]:
    """A manifest as a bundle has it, in JSON.

    The place in a results folder and the names that runs gave it are its owner's alone. The command is that of the
    request, in which NAME=DIR stands for where data lies.
    """
    request = manifest.request
    if request is not None:
        asked = {"methods": tuple(map(_without_folders, request.methods))}
        asked["protocols"] = tuple(map(_without_folders, request.protocols))
        options = {name: value for name, value in request.options.items() if name != "tag"}
        if "metrics" in options:
            options["metrics"] = [_without_folders(str(text)) for text in options["metrics"] or ()]
        request = request.model_copy(update={**asked, "options": options})
    data = manifest.model_copy(update={"request": request}).to_json()
    data |= {"order": 0, "tags": [], "error_details": None, "command": "" if request is None else request.command()}
    argument = manifest.method.argument
    if argument is not None and _is_place(argument):
        data["method"]["argument"] = _last(argument)
    if anonymous:
        data |= {name: f"{data[name][:10]}T00:00:00+00:00" for name in ("created", "updated") if data[name]}
        data["method"] |= {name: value for name, value in _SAYS_WHO.items() if name in data["method"]}
        data["environment"] |= {"commit": None, "dirty": None, "platform": ""}
    found: dict[str, Any] = scrubber.data(data)
    return found


def _without_folders(text: str) -> str:
    """A method, metric or protocol as it was asked for, of each path its last part, with blanks in it or without."""
    try:
        spec = Spec.parse(text)
    except FaceSRBenchError:
        return text
    parts = {name: getattr(spec, name) for name in ("name", "argument", "weights", "file")}
    return str(replace(spec, **{name: _last(part) for name, part in parts.items() if part and _is_place(part)}))


def _is_place(part: str) -> bool:
    """Whether it names a place of the machine, and not what lies beside (`./mynet`)."""
    return bool(re.match(r"[/~]|[A-Za-z]:[\\/]|\\\\|\.\.", part))


def _last(path: str) -> str:
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1] or "..."


def image_to_send(row: ImageRecord, scrubber: Scrubber) -> ImageRecord:
    """A line of images.jsonl as a bundle has it: messages of failures may hold paths."""
    error = None if row.error is None else scrubber.text(row.error)
    return replace(row, error=error, reasons={name: scrubber.text(reason) for name, reason in row.reasons.items()})
