"""What the search of every page knows: methods, leaderboards and images, and where their pages are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from facesr_bench.report.site.pages import Pages, link, script_data
from facesr_bench.report.site.views import View


def write(pages: Pages, views: Sequence[View], method_pages: Mapping[str, Path]) -> None:
    """Write search-index.js, which pages load when somebody searches; its links go out from the site's folder.

    Raises:
        ResultsError: it can't be written.
    """
    here = pages.folder / "search-index.js"
    titles = {row.label: row.result.manifest.method.title for view in views for row in view.section.group.rows}
    data = {
        "methods": [
            {"label": label, "words": titles.get(label, ""), "link": link(path, here)}
            for label, path in method_pages.items()
        ],
        "boards": [
            {
                "protocol": view.section.group.protocol,
                "profile": view.section.group.profile,
                "link": f"{link(pages.index, here)}#{view.section.anchor}",
                "image": link(view.section.image_path, here),
                "ids": view.section.ids,
            }
            for view in views
        ],
    }
    pages.write(here, script_data("index", data))
