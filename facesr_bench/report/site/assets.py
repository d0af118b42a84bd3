"""Style and scripts, written beside the pages once."""

from __future__ import annotations

from facesr_bench.images.maps import colour_bar_css
from facesr_bench.report.site.pages import Pages, template_folder

SUFFIXES = {".css", ".js", ".svg"}


def write(pages: Pages) -> None:
    """Copy the style and scripts that stand beside the templates.

    Raises:
        ResultsError: they can't be written.
    """
    for path in sorted(template_folder().iterdir()):
        if path.suffix in SUFFIXES:
            text = path.read_text(encoding="utf-8")
            # The colours of maps are known in one place: not in the style.
            bar = f".bar {{ background: {colour_bar_css()}; }}\n" if path.name == "site.css" else ""
            pages.write(pages.folder / "assets" / path.name, text + bar)
