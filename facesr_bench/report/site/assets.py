"""Style and scripts, written beside the pages once."""

from __future__ import annotations

from facesr_bench.images.maps import colour_bar_css
from facesr_bench.report.site.maps import BLOCKS
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
            text += _of_maps() if path.name == "site.css" else ""
            pages.write(pages.folder / "assets" / path.name, text)


def _of_maps() -> str:
    """The colours of maps, and where each of several maps in one picture is: both are known elsewhere."""
    parts = "".join(
        f".of{count}.at{place} {{ object-position: 0 {100 * place / (count - 1):.4f}%; }}\n"
        for count in BLOCKS[1:]
        for place in range(count)
    )
    return f".bar {{ background: {colour_bar_css()}; }}\n{parts}"
