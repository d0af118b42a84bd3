"""The templates, and the writing of pages and files from them."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import urllib.parse
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from facesr_bench.base.files import replacing
from facesr_bench.images import maps
from facesr_bench.plugins.loading import bundled_folder
from facesr_bench.report.site import ownership, unchanged
from facesr_bench.report.site.ownership import FOLDER, LIST
from facesr_bench.report.tables.sheet import DASH, UNSURE
from facesr_bench.results.columns import format_number

MINUS = "\N{MINUS SIGN}"


def template_folder() -> Path:
    """Where the templates, style and scripts are."""
    return bundled_folder("reports") / "site"


@cache
def _templates() -> Environment:
    """The templates, each compiled once in a process; one that is edited is read again."""
    environment = Environment(
        loader=FileSystemLoader(template_folder()),
        autoescape=True,  # names and messages are strangers' text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        colour_scale=maps.SCALE,
        dash=DASH,
        unsure=UNSURE,
    )
    environment.filters.update(number=format_value, count=thousands, address=link, moment=moment, decibels=decibels)
    return environment


class Pages:
    """Writes files under a site's root and remembers which, so that those of earlier builds can go.

    Args:
        everywhere: the site may have written outside of its folder of pages: it is not in the results folder.

    Raises:
        ResultsError: what is there is not an earlier build's.
    """

    def __init__(self, root: Path, *, everywhere: bool = False) -> None:
        self.root = root
        self._listed = ownership.claim(root)
        self._old = {name for name in self._listed if everywhere or name.startswith(f"{FOLDER}/")}
        self.folder = root / FOLDER
        self.index = root / "index.html"
        self.provenance = self.folder / "provenance.html"
        self._written: dict[Path, str] = {}

    def render(self, path: Path, template: str, **context: Any) -> Path:
        """Render straight to disk, so that memory doesn't grow with the page; readers never see half of it.

        Raises:
            ResultsError: it can't be written.
        """
        page = {"assets": link(self.folder / "assets", path), "home": link(self.index, path)}
        page["sources"] = link(self.provenance, path)
        with (
            replacing(path) as partial,
            partial.open("w", encoding="utf-8", newline="\n", errors="backslashreplace") as stream,
        ):
            stream.writelines(_templates().get_template(template).generate(**page, **context))
        self.keep(path)
        return path

    def write(self, path: Path, content: str | bytes) -> Path:
        """Write a file, unless it is there already with this content.

        Raises:
            ResultsError: it can't be written.
        """
        data = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
        try:
            with path.open("rb") as stream:
                same = stream.read() == data
        except OSError:
            same = False  # not there; or another build has removed it
        if not same:
            with replacing(path) as partial:
                partial.write_bytes(data)
        self.keep(path)
        return path

    def keep(self, path: Path) -> None:
        """A file that belongs to the site as it is now."""
        try:
            self._written[path] = unchanged.state_of(path)
        except OSError:
            self._written[path] = ""  # another build has removed it: the next one looks for itself

    def stand(self, made: str) -> bool:
        """Whether all of the site is there as a build left it that was made of this: see `unchanged`."""
        return unchanged.stands(self.root, self._listed - {f"{FOLDER}/{LIST}"}, made)

    def settle(self, made: str | None) -> None:
        """Remove what earlier builds have written and this one has not: it would show results that are gone.

        Args:
            made: what the site was made of, to be remembered; None where that is not known.
        """
        written = {path.relative_to(self.root).as_posix(): state for path, state in self._written.items()}
        ownership.settle(self.root, self._old, written)
        if made is not None:
            unchanged.remember(self.root, written, made)


def short_name(label: str) -> str:
    """A file name for a method's label, of letters that need no quoting in a link."""
    plain = re.sub(r"[^A-Za-z0-9._@-]", "_", label)
    if plain == label and not label.startswith((".", "_")) and len(label) <= 80:  # Jekyll leaves those out
        return label
    return f"{plain[:40].lstrip('._')}-{hashlib.sha256(label.encode()).hexdigest()[:10]}"


def link(target: Path, page: Path) -> str:
    """A relative URL from a page to a file."""
    relative = Path(os.path.relpath(target, page.parent)).as_posix()
    return urllib.parse.quote(relative)


def script_data(variable: str, data: Any) -> str:
    """A script file that sets one field of `facesr`."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"window.facesr = window.facesr || {{}};\nfacesr.{variable} = {text};\n"


def format_value(value: float, digits: int) -> str:
    """A number as a page shows it: a true minus sign, `∞` for infinity."""
    return format_number(value, digits).replace("inf", "∞").replace("-", MINUS)


def decibels(levels: float) -> str:
    """The PSNR that an error of so many levels of 255 is, to whole dB."""
    return f"{20 * math.log10(255 / levels):.0f}" if levels else "\N{INFINITY}"


def thousands(value: int) -> str:
    """`10 518 867`, with narrow spaces that don't break."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def moment(iso: str) -> str:
    """`2026-11-22 09:47 UTC` from an ISO time; anything else as it is."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::[\d.]+)?(?:Z|\+00:00)", iso)
    return f"{found[1]} {found[2]} UTC" if found else iso
