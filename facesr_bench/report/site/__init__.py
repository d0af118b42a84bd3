"""The pages that a person looks at, made from a results folder; they open from disk and need no network.

    index.html                                       what ran, a leaderboard per protocol and profile, the first images
    .nojekyll                                       tells GitHub Pages to serve all of it as it is
    site/assets/                                                    style and scripts
    site/methods/<label>.html                       one method: card, numbers everywhere, its best and worst images
    site/search-index.js                            what there is, for the search of every page
    site/provenance.html                            where every number comes from, and how to get it again
    site/boards/<protocol>/<profile>/<number>.html  every image side by side, `gallery.PER_PAGE` to a page
                                     /image.html     one image: slider, maps, one method against another
                                     /mean.html      the same maps averaged over the set
                                     /plots.html     distributions and curves
                                     /data.js        the numbers behind these, for the scripts
                                     /maps/          maps, 64 levels each, read by the scripts; PSNR maps as pictures

A build lists what it writes in site/written.txt, and the next one removes of that list what it has not written itself
(`ownership`). Pages say of the author's machine no more than the names of files (`places`). They refer to pictures by
relative links and never hold copies of them; a site written elsewhere than into the results folder gets the pictures
it shows (`mirror`).
"""

from __future__ import annotations

from pathlib import Path

from facesr_bench.report.site import (
    assets,
    gallery,
    maps,
    methods,
    mirror,
    overview,
    plots,
    provenance,
    search,
    unchanged,
)
from facesr_bench.report.site.pages import Pages
from facesr_bench.report.site.places import Published, base_names
from facesr_bench.report.site.section import Section
from facesr_bench.report.site.views import View
from facesr_bench.results.leaderboard import groups
from facesr_bench.results.store import Stored, read_every_result, read_results
from facesr_bench.results.summary import summarise

__all__ = ["build", "made_of"]


def made_of(results_root: Path, out: Path | None = None) -> str | None:
    """What a site would be made of now, for `build`: to be asked before results are read. See `unchanged.made_of`."""
    return unchanged.made_of(results_root, _root(results_root, out))


def build(results_root: Path, out: Path | None = None, stored: Stored | None = None, made: str | None = None) -> Path:
    """Write the site for every result in a results folder.

    What an earlier build has made and nothing has changed since (maps above all) is kept; where nothing at all has
    changed, nothing is written.

    Args:
        results_root: the results folder.
        out: where the site goes; None: into the results folder itself.
        stored: what the results folder holds, where it was read already; one that can't be read is shown on the
            page and costs none of the others.
        made: what `made_of` gave before `stored` was read; without it everything is built.

    Returns:
        The path of index.html.

    Raises:
        ResultsError: the results folder doesn't exist, or the images of a result can't be read; the site can't be
            written, or `out` holds another site.
    """
    root = _root(results_root, out)
    if stored is None:
        made = made_of(results_root, out)
        stored = read_results(results_root)
    if root is not results_root:
        mirror.check_free(root)
    pages = Pages(root, everywhere=root is not results_root)
    if made is not None and pages.stand(made):
        return pages.index
    rows = summarise([Published(result) for result in stored.results])
    pages.write(root / ".nojekyll", "")
    sections = [Section(group, results_root, root) for group in groups(rows)]
    assets.write(pages)
    views = [View(section, maps.build(pages, section), *plots.build(pages, section)) for section in sections]
    for view in views:
        gallery.write_data(pages, view)
        gallery.write_pages(pages, view)
        plots.write(pages, view)
    known = {result.folder for result in stored.results}
    method_pages = methods.write(pages, views, read_every_result(results_root, known).results)
    search.write(pages, views, method_pages)
    provenance.write(pages, sections)
    index = overview.write(
        pages, views, method_pages, [_without_root(text, results_root) for text in stored.unreadable]
    )
    if root is not results_root:
        mirror.write(pages, sections, results_root)
    pages.settle(made)
    return index


def _root(results_root: Path, out: Path | None) -> Path:
    """The folder of the site."""
    return out if out is not None and out.resolve() != results_root.resolve() else results_root


def _without_root(text: str, results_root: Path) -> str:
    """A message for a page that others may read: files are named from the results folder on."""
    return base_names(text.replace(f"{results_root}/", ""))
