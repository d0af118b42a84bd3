"""Where every number comes from, how to cite it, and the command that makes it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facesr_bench.report.citations import paper_entry, run_entry
from facesr_bench.report.site.overview import anchor_of
from facesr_bench.report.site.pages import Pages, link
from facesr_bench.report.site.section import Section
from facesr_bench.results.leaderboard import RankedResult
from facesr_bench.results.record import Manifest
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
    there, paper = (folder / IMAGES).is_file(), manifest.method.paper
    return Record(
        row=row,
        anchor=anchor_of(row),
        manifest=manifest,
        manifest_link=link(section.placed(folder / MANIFEST), pages.provenance),
        images_link=link(section.placed(folder / IMAGES), pages.provenance) if there else None,
        command=command(manifest),
        bibtex="\n\n".join([*([paper_entry(paper)] if paper else []), run_entry(manifest)]),
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
