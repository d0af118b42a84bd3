"""BibTeX of what a table shows: the papers of its methods and data, and the pages of its published numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from facesr_bench.plugins.registry import datasets
from facesr_bench.report.published import Source
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
            found.cite[row.label] = found.add(_entry(paper.model_dump()))
        elif row.label not in found.uncited:
            found.uncited.append(row.label)
    for citation in _dataset_papers(row.result.manifest.dataset.name for row in rows):
        found.add(_entry(citation))
    for name, source in (sources or {}).items():
        found.cite[name] = found.add(_misc(source.title, source.url, None))
    return found


def _dataset_papers(names: Iterable[str]) -> Iterable[Mapping[str, Any]]:
    known = {plugin.name: plugin.card for plugin in datasets().plugins}
    for name in dict.fromkeys(names):
        card = known.get(name)
        if card is not None and card.citation is not None:
            yield card.citation.model_dump()


def _entry(paper: Mapping[str, Any]) -> str:
    given = str(paper.get("bibtex") or "")
    if _KEY.search(given):
        return given
    return _misc(str(paper["title"]), str(paper["url"]), int(paper["year"]))


def _misc(title: str, url: str, year: int | None) -> str:
    word = next((w for w in re.findall(r"[a-z0-9]+", title.lower()) if len(w) > 3), "page")
    key = f"{word}{year or ''}"
    address = re.sub(r"[{}\s]", "", url)
    lines = [f"@misc{{{key},", f"  title = {{{{{_plain(title)}}}}},", f"  url = {{{address}}},"]
    lines.append(f"  key = {{{key}}},")  # what styles sort by where no author is known
    return "\n".join([*lines, *([f"  year = {{{year}}},"] if year else []), "}"])


def _plain(text: str) -> str:
    """On one line, with what BibTeX and LaTeX read as commands escaped."""
    from facesr_bench.report.tables.render import tex

    return tex(text)
