"""BibTeX: papers of methods and data, pages of published numbers, and results themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from facesr_bench.plugins.registry import datasets
from facesr_bench.report.published import Source
from facesr_bench.results.record import Manifest, PaperRecord
from facesr_bench.results.summary import ResultSummary

_KEY = re.compile(r"^\s*@\w+\s*\{\s*([^\s,{}]+)\s*,", re.MULTILINE)


@dataclass
class Bibliography:
    """Entries in the order first needed, each once.

    Attributes:
        entries: BibTeX by key.
        cite: keys by row label (methods) and by name of the source (published numbers), for `Options.cite`.
        uncited: labels of methods whose card names no paper.
    """

    entries: dict[str, str] = field(default_factory=dict)
    cite: dict[str, str] = field(default_factory=dict)
    uncited: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The content of a .bib file."""
        # BibTeX has no comments: any @ begins an entry.
        labels = ", ".join(_plain(label).replace("@", " with ") for label in self.uncited)
        none = f"% No paper in the cards of: {labels}\n"
        return "\n".join([*self.entries.values(), *([none] if self.uncited else [])])

    def add(self, entry: str) -> str:
        """Add one entry, unless it is there already; returns the key to cite, changed if another entry has it."""
        match = _KEY.search(entry)
        if match is None:
            raise ValueError("not a BibTeX entry")
        key = wanted = match[1]
        text = entry.strip() + "\n"
        number = 2
        while key in self.entries and self.entries[key] != text:
            key, number = f"{wanted}-{number}", number + 1
            text = entry.strip().replace(wanted, key, 1) + "\n"
        self.entries[key] = text
        return key


def bibliography(rows: Sequence[ResultSummary], sources: Mapping[str, Source] | None = None) -> Bibliography:
    """The entries for these rows, from the cards of their methods and datasets.

    A card that knows only title, year and address gives an `@misc` with just these.

    Args:
        sources: of published numbers that stand beside the rows, by name.
    """
    found = Bibliography()
    for row in rows:
        paper = row.result.manifest.method.paper
        if paper:
            found.cite[row.label] = found.add(paper_entry(paper))
        elif row.label not in found.uncited:
            found.uncited.append(row.label)
    for citation in _dataset_papers(row.result.manifest.dataset.name for row in rows):
        found.add(paper_entry(citation))
    for name, source in (sources or {}).items():
        found.cite[name] = found.add(_misc(_key(source.title, None), source.title, url=source.url))
    return found


def paper_entry(paper: PaperRecord) -> str:
    """The card's own entry, or an `@misc` of the paper's title, year and address."""
    if _KEY.search(paper.bibtex):
        return paper.bibtex.strip()
    return _misc(_key(paper.title, paper.year), paper.title, url=paper.url, year=paper.year)


def run_entry(manifest: Manifest) -> str:
    """An entry for a result's numbers: which release computed them, on what, how."""
    environment = manifest.environment
    note = f"Protocol {manifest.protocol.name}, profile {manifest.profile.name}, fingerprint {manifest.fingerprint}"
    if environment.commit:
        note += f", commit {environment.commit}"
    title = f"facesr-bench {environment.facesr_bench or ''}".strip()
    return _misc(f"facesr-bench-{manifest.fingerprint[:8]}", title, year=manifest.updated[:4], note=note)


def _dataset_papers(names: Iterable[str]) -> Iterable[PaperRecord]:
    known = {plugin.name: plugin.card for plugin in datasets().plugins}
    for name in dict.fromkeys(names):
        card = known.get(name)
        if card is not None and card.citation is not None:
            yield PaperRecord.model_validate(card.citation.model_dump())


def _key(title: str, year: int | None) -> str:
    word = next((w for w in re.findall(r"[a-z0-9]+", title.lower()) if len(w) > 3), "page")
    return f"{word}{year or ''}"


def _misc(key: str, title: str, *, url: str = "", year: int | str | None = None, note: str = "") -> str:
    fields = {
        "title": f"{{{_plain(title)}}}",
        "url": re.sub(r"[{}\s]", "", url),
        "key": key,  # what styles sort by where no author is known
        "year": year,
        "note": _plain(note),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@misc{{{key},", *lines, "}"])


def _plain(text: str) -> str:
    """On one line, with what BibTeX and LaTeX read as commands escaped."""
    from facesr_bench.report.tables.render import tex

    return tex(text)
