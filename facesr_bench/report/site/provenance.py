"""Where every number comes from, how to cite it, and the command that makes it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facesr_bench.base.suggest import is_path
from facesr_bench.plugins.spec import split_list
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
    """The shortest command that computes a result's numbers: its method, protocol, profile and metrics alone.

    What was given as a folder or file of the user's is given as it was typed. A protocol whose files were given by
    hand needs them again: `NAME=DIR` stands for where they are.
    """
    typed = _typed(manifest.command)
    method, protocol = manifest.method, manifest.protocol.name
    spec = f"{method.name}@{method.weights}" if method.weights else method.name
    parts = ["facesr-bench", "run", "--methods", _own(typed, "methods", method.name, method.weights) or spec]
    parts += ["--protocols", _own(typed, "protocols", manifest.dataset.name) or protocol]
    profile = typed.get("profile", [""])[-1]
    parts += ["--profile", profile if is_path(profile) else manifest.profile.name]
    described = manifest.metrics
    if described:
        names = [fields.typed or key for key, fields in described.items()]
        parts += ["--metrics", ",".join(_own(typed, "metrics", name) or name for name in names)]
    references = {fields.fid_reference for fields in described.values() if fields.fid_reference}
    for reference in sorted(references):
        parts += ["--fid-reference", reference]
    if method.precision not in {"", "fp32"}:
        parts += ["--precision", method.precision]
    if "limit" in typed:
        parts += ["--limit", typed["limit"][-1]]
    text = shlex.join(parts)
    if "data" in typed:
        text += f" --data {shlex.quote(manifest.dataset.name)}=DIR"
    return text


def _typed(command: str) -> dict[str, list[str]]:
    """The options of a command with their values: `--limit 5`, `--limit=5`; lists are not taken apart."""
    try:
        words = shlex.split(command)
    except ValueError:
        return {}
    found: dict[str, list[str]] = {}
    for word, behind in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            found.setdefault(name, []).append(value if equals else behind)
    return found


def _own(typed: Mapping[str, list[str]], option: str, name: str, weights: str | None = None) -> str | None:
    """What was typed for a plug-in or weights that are the user's own files; none where a name was typed."""
    without = None
    for item in split_list(typed.get(option, [])):
        folder, _, file = item.partition("@")
        plugin = Path(folder.partition(":")[0]).name if is_path(folder) else folder
        if plugin != name or not is_path(item):
            continue
        if file and Path(file).name == weights:
            return item
        without = without or (item if not file else None)
    return without
