"""Style and scripts, written beside the pages once."""

from __future__ import annotations

import re
from importlib.metadata import distribution
from importlib.resources import files

from facesr_bench.base.errors import ResultsError
from facesr_bench.report.site.pages import Pages, template_folder

OWN = ("site.css", "dark.css", "theme.js", "site.js", "common.js", "gallery.js", "viewer.js")


def write(pages: Pages) -> None:
    """Our own files, and DataTables, which sorts and searches the leaderboards.

    Raises:
        ResultsError: they can't be written, or the installed itables is of another make.
    """
    folder = pages.folder / "assets"
    for name in OWN:
        pages.write(folder / name, (template_folder() / name).read_text(encoding="utf-8"))
    pages.write(folder / "datatables.js", _datatables())
    pages.write(folder / "datatables.LICENSE.txt", _licence())


def _datatables() -> str:
    """DataTables as a plain script that defines `DataTable`.

    itables ships it as a module, and browsers load no modules from disk.
    """
    bundle = (files("itables") / "html" / "dt_bundle.js").read_text(encoding="utf-8")
    found = list(re.finditer(r"export\s*\{([^{}]*)\};?", bundle))
    exported = re.search(r"([\w$]+) as default\b", found[-1][1]) if found else None
    if exported is None:
        version = distribution("itables").version
        raise ResultsError(f"itables {version} holds DataTables in another form; pip install 'itables>=2.9,<3'")
    start, end = found[-1].span()
    return f"(() => {{\n{bundle[:start]}\nwindow.DataTable = {exported[1]};\n{bundle[end:]}\n}})();\n"


def _licence() -> str:
    found = distribution("itables")
    texts = [path.read_text() for path in found.files or () if path.name.upper().startswith("LICENSE")]
    head = (
        f"datatables.js is DataTables (MIT, SpryMedia Ltd, https://datatables.net/license/mit) with jQuery (MIT) and\n"
        f"the extensions that its last lines name, as bundled by itables {found.version}, made a plain script.\n\n"
        "The licence of itables:\n\n"
    )
    return head + "\n".join(texts)
