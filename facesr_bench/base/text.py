"""Text that strangers wrote (names of files, labels, messages of other libraries), made safe to show."""

from __future__ import annotations

import re

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_FORMULA = re.compile(r"[=+\-@\t\r]")


def printable(text: str) -> str:
    """`text` without terminal escapes: colours are dropped, other control characters become U+FFFD.

    Line breaks and tabs stay. Undecodable bytes of a file's name (lone surrogates) stay too: only the stream knows how
    they can be written.
    """
    if text.isprintable():
        return text
    return "".join(c if _harmless(c) else "\N{REPLACEMENT CHARACTER}" for c in _COLOURS.sub("", text))


def _harmless(character: str) -> bool:
    return character.isprintable() or character in "\n\t" or "\ud800" <= character <= "\udfff"


def one_line(text: str) -> str:
    """`printable`, on one line; here lone surrogates become U+FFFD too, so that it can be written anywhere."""
    joined = " ".join(printable(text).split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in joined)


def counted(count: int, noun: str) -> str:
    """A number and what is counted: `1 face`, `2,000 faces`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def csv_text(text: str) -> str:
    """A cell of text for a csv: on one line, and never a formula where a spreadsheet opens it.

    What begins with `=`, `+`, `-` or `@` gets a `'` in front, as spreadsheets advise, unless it is a number.
    """
    text = one_line(text)
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
