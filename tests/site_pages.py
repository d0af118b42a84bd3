"""Pages of a site as a browser would see them, for tests of what they hold."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.report_fixtures import manifest, scored, write_result

HOSTILE = ["<img src=x onerror=alert(1)>", '"><script>alert(2)</script>', "a/../b %2e?#&'\"{{ 7*7 }}", "plain 1"]


class Page(HTMLParser):
    """What a browser would see of a page: its elements and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._raw = ""
        self._in_template = False  # what a template holds is not shown, nor fetched
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_template |= tag == "template"
        if self._in_template:
            return
        self.elements.append((tag, {k: v or "" for k, v in attrs}))
        self._raw = tag if tag in {"script", "style"} else ""

    def handle_data(self, data: str) -> None:
        if not self._raw and not self._in_template:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._in_template &= tag != "template"
        self._raw = ""

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def references(self) -> list[tuple[str, str]]:
        """(attribute, URL) of all that the page points at."""
        return [(k, v) for _, attributes in self.elements for k, v in attributes.items() if k in {"src", "href"}]

    def file_of(self, url: str) -> Path:
        return (self.path.parent / unquote(urlsplit(url).path)).resolve()


def hostile_results(root: Path) -> None:
    values = {image_id: {"psnr": 20.0 + i, "ssim": 0.5} for i, image_id in enumerate(HOSTILE)}
    for label in (HOSTILE[0], HOSTILE[1], "bicubic"):
        write_result(root, manifest(label, total=4), scored(values), pictures=True)


def pages(root: Path) -> list[Page]:
    """The first page and the galleries."""
    return [Page(path) for path in [root / "index.html", *sorted((root / "site/boards").glob("*/*/[0-9]*.html"))]]


def all_pages(root: Path) -> list[Page]:
    return [Page(path) for path in [root / "index.html", *sorted((root / "site").rglob("*.html"))]]


def check_references(root: Path) -> int:
    """How many files the pages point at, all of them there."""
    seen = 0
    for page in all_pages(root):
        for _, url in page.references():
            if url.startswith(("data:,", "https://example.org/")) or url == "#main":
                continue
            parts = urlsplit(url)
            assert not parts.scheme and not parts.netloc and not parts.path.startswith("/"), url
            if parts.path:
                assert page.file_of(url).is_file(), url
                assert page.file_of(url).is_relative_to(root.resolve()), url
                if parts.fragment and page.file_of(url).name in {"index.html", "provenance.html"}:
                    target = Page(page.file_of(url))
                    assert unquote(parts.fragment) in {a.get("id") for _, a in target.elements}, url
                seen += 1
    return seen
