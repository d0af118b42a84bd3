"""Style and scripts, written beside the pages once."""

from __future__ import annotations

from facesr_bench.report.site.pages import Pages, template_folder

SUFFIXES = {".css", ".js"}


def write(pages: Pages) -> None:
    """Copy the style and scripts that stand beside the templates.

    Raises:
        ResultsError: they can't be written.
    """
    for path in sorted(template_folder().iterdir()):
        if path.suffix in SUFFIXES:
            pages.write(pages.folder / "assets" / path.name, path.read_text(encoding="utf-8"))
