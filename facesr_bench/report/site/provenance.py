"""Where every number comes from, how to cite it, and the command that makes it again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facesr_bench.report.site.overview import anchor_of
from facesr_bench.report.site.pages import Pages, link
from facesr_bench.report.site.section import Section
from facesr_bench.results.leaderboard import RankedResult
from facesr_bench.results.record import Manifest, MethodRecord
from facesr_bench.results.store import IMAGES, MANIFEST


@dataclass(frozen=True)
class Record:
    """What the page says of one result."""

    row: RankedResult
    anchor: str
    manifest: Manifest
    manifest_link: str
    images_link: str | None
    command: str
    bibtex: str
    error_details: str


def write(pages: Pages, sections: Sequence[Section]) -> None:
    """Write provenance.html."""
    records = [(section, [_record(pages, section, row) for row in section.group.rows]) for section in sections]
    pages.render(pages.provenance, "provenance.html", records=records)


def _record(pages: Pages, section: Section, row: RankedResult) -> Record:
    manifest, folder = row.result.manifest, row.result.folder
    there = (folder / IMAGES).is_file()
    return Record(
        row=row,
        anchor=anchor_of(row),
        manifest=manifest,
        manifest_link=link(section.placed(folder / MANIFEST), pages.provenance),
        images_link=link(section.placed(folder / IMAGES), pages.provenance) if there else None,
        command=command(manifest),
        bibtex="\n\n".join(part for part in (method_bibtex(manifest.method), run_bibtex(manifest)) if part),
        error_details=manifest.error_details or "",
    )


def command(manifest: Manifest) -> str:
    """The command that computes a result's numbers again: its method, protocol, profile and metrics alone.

    Of a result whose request was not stored, the command as it was typed.
    """
    request = manifest.request
    if request is None:
        return manifest.command
    metrics = [metric.typed or key for key, metric in manifest.metrics.items()]
    return request.command(
        profile=request.options.get("profile", manifest.profile.name), metrics=list(dict.fromkeys(metrics)) or None
    )


def method_bibtex(method: MethodRecord) -> str:
    """The card's own entry, or one made of its paper's title, year and address; empty without a paper."""
    paper = method.paper
    if not paper:
        return ""
    if paper.bibtex.strip():
        return paper.bibtex.strip()
    fields = {"title": paper.title, "year": paper.year, "url": paper.url}
    return _entry("misc", _key(method.name), fields)


def run_bibtex(manifest: Manifest) -> str:
    """An entry for these numbers: which release computed them, on what, how."""
    environment = manifest.environment
    commit = f", commit {environment.commit}" if environment.commit else ""
    note = (
        f"Protocol {manifest.protocol.name}, profile {manifest.profile.name}, "
        f"fingerprint {manifest.fingerprint}{commit}"
    )
    fields = {
        "title": f"facesr-bench {environment.facesr_bench or ''}".strip(),
        "year": manifest.updated[:4],
        "note": note,
    }
    return _entry("misc", f"facesr-bench-{manifest.fingerprint[:8]}", fields)


def _entry(kind: str, key: str, fields: Mapping[str, Any]) -> str:
    lines = [f"  {name} = {{{_escaped(str(value))}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _key(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "", text) or "method"


def _escaped(text: str) -> str:
    """Braces would end the field, and these mean something to LaTeX."""
    return re.sub(r"([&%#_$])", r"\\\1", text.replace("{", "(").replace("}", ")"))
