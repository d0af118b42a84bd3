"""What mkdocs does before it reads a page: links to files of the checkout that are no pages become their names."""

from __future__ import annotations

import re
from typing import Any


def on_page_markdown(markdown: str, **_: Any) -> str:
    """`[words](../methods/x)` becomes `words (`methods/x`)`: the site has pages alone, the checkout has both."""
    return re.sub(r"(?<!!)\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)", r"\1 (`\2`)", markdown)
