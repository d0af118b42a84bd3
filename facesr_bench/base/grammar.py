"""What a user types for a method or a metric, and what a metric's column is called: text alone, no plug-in is read.

    [label=]name[variant:reference]:argument@weights=FILE         `Spec`
    name[variant:reference]:argument@weights:hash:aggregate      `Column`

A part that holds one of `, @ : [ ] =` stands in quotes, single or double: `'./my, net'@"a=b.pth"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from facesr_bench.base.errors import PluginError
from facesr_bench.base.suggest import expanded, is_path

FORM = "[label=]name[variant]:argument@weights=FILE"
LABEL = re.compile(r"[^\W_](?:[\w .+()-]{0,62}[\w.+()-])?")
"""A row's or column's name of the user's: letters and digits, space, and . _ + - ( ), at most 64."""

_SPECIAL = set(",@:[]='\"")
_QUOTES = "'\""


@dataclass(frozen=True)
class Spec:
    """One method or metric as a user asks for it.

    Attributes:
        name: of the plug-in, or the path of its folder.
        variant: one of several ways to compute a metric: `clean` of `fid[clean]`; with what a metric of sets compares
            with, where that is said: `clean:hr`.
        argument: what follows the colon: `niqe` of `pyiqa:niqe`, a folder or file for methods that take one.
        weights: a name from the card; for a method also a file.
        file: the user's own file for those weights.
        label: what its row or column is to be called.
    """

    name: str
    variant: str | None = None
    argument: str | None = None
    weights: str | None = None
    file: str | None = None
    label: str | None = None

    def __str__(self) -> str:
        """The text that `parse` reads as this."""
        text = f"{self.label}=" if self.label is not None else ""
        text += _quoted(self.name)
        if self.variant is not None:
            text += f"[{':'.join(map(_quoted, self.variant.split(':')))}]"
        if self.argument is not None:
            text += f":{_quoted(self.argument)}"
        if self.weights is not None:
            text += f"@{_quoted(self.weights, always=self.file is not None and is_path(self.weights))}"
        return text if self.file is None else f"{text}={_quoted(self.file)}"

    @classmethod
    def parse(cls, text: str) -> Spec:
        """The parts of what a user typed.

        An unquoted path may hold any character if it is that of a plug-in's folder.

        Raises:
            PluginError: a quote or bracket that is not closed, or a part that is empty.
        """
        return _Reader(text.strip()).spec()


class _Reader:
    """A text without its quotes, and which of its characters stood in them."""

    def __init__(self, text: str) -> None:
        self._whole = text
        places = list(_scan(text, strict=True))
        self._text = "".join(text[at] for at, _ in places)
        self._marks = [outside for _, outside in places]
        self._at = 0

    def spec(self) -> Spec:
        label, name = self._label(), self._name()
        variant = argument = weights = file = None
        if self._takes("["):
            variant = self._until("]")
            if not self._takes("]"):
                raise self._error("[ is not closed")
        if self._takes(":"):
            argument = self._until("@")
        if self._takes("@"):
            weights, file = self._weights()
        if self._at < len(self._text):
            raise self._error(f"nothing is known of {self._text[self._at :]!r}")
        if any(part == "" for part in (name, variant, argument, weights, file)):
            raise self._error("a part is empty")
        return Spec(name, variant, argument, weights, file, label)

    def _error(self, what: str) -> PluginError:
        return PluginError(f"{self._whole!r}: {what}; write it as {FORM}, each part after the name only where needed")

    def _label(self) -> str | None:
        end = self._find("=@:[")
        if end == len(self._text) or self._text[end] != "=" or is_path(self._text[:end]):
            return None
        if not LABEL.fullmatch(self._text[:end]):
            raise self._error(
                f"{self._text[:end]!r} can't be a label: it is of letters, digits, space, . _ + - ( ), begins with a "
                "letter or digit, does not end with a space, and has no more than 64 characters"
            )
        self._at = end + 1
        return self._text[:end]

    def _name(self) -> str:
        start, first = self._at, self._find("[:@")
        if is_path(self._text[start:first]):
            ends = [i for i in range(len(self._text), first, -1) if i == len(self._text) or self._marks[i]]
            for end in ends:
                if (expanded(self._text[start:end]) / "card.toml").is_file():
                    first = end
                    break
        self._at = first
        return self._text[start:first]

    def _weights(self) -> tuple[str, str | None]:
        start, end = self._at, self._find("=")
        own_file = is_path(self._text[start:end]) and all(self._marks[start:end])
        if end == len(self._text) or own_file:  # a path may hold an equals sign
            self._at = len(self._text)
            return self._text[start:], None
        self._at = len(self._text)
        return self._text[start:end], self._text[end + 1 :]

    def _until(self, stops: str) -> str:
        start, self._at = self._at, self._find(stops)
        return self._text[start : self._at]

    def _takes(self, character: str) -> bool:
        taken = self._at < len(self._text) and self._marks[self._at] and self._text[self._at] == character
        self._at += taken
        return taken

    def _find(self, characters: str) -> int:
        """The place of the first unquoted one of some characters, from here on; the end where there is none."""
        places = range(self._at, len(self._text))
        return next((i for i in places if self._marks[i] and self._text[i] in characters), len(self._text))


def _scan(text: str, *, strict: bool) -> Iterator[tuple[int, bool]]:
    """The place of each character of a text but the quotes around parts, and whether it stands outside them.

    A quote opens at the start of a part or behind another quoted text; an apostrophe in a word is a letter.

    Raises:
        PluginError: a quote is not closed, and `strict`.
    """
    at, opens = 0, True
    while at < len(text):
        end = text.find(text[at], at + 1) if opens and text[at] in _QUOTES else -1
        if end >= 0:
            yield from ((inner, False) for inner in range(at + 1, end))
            at = end + 1
            continue
        if strict and opens and text[at] in _QUOTES:
            raise PluginError(f"{text!r}: the quote {text[at]} is not closed")
        yield at, True
        opens = text[at] in _SPECIAL - set(_QUOTES) or (opens and text[at].isspace())
        at += 1


def _quoted(part: str, *, always: bool = False) -> str:
    """A part as it is, or in quotes where it would be read otherwise."""
    if not always and not _SPECIAL & set(part) and part == part.strip():
        return part
    pieces = re.findall(r"[^']+|'+", part)
    return "".join(f'"{piece}"' if "'" in piece else f"'{piece}'" for piece in pieces)


def check_suffix(suffix: str) -> None:
    """Refuse what can't stand behind an id in a file's name.

    Raises:
        PluginError: it is empty, or holds a separator or a brace.
    """
    if not suffix or {"/", "\\", "{", "}"} & set(suffix):
        raise PluginError(f"suffix {suffix!r}: it stands behind the id in a file's name, as _00 does in ID_00.png")


def split_list(values: Iterable[str]) -> list[str]:
    """`["a,b", "c"]` -> `["a", "b", "c"]`, without repeats; commas in quotes and brackets separate nothing."""
    parts = (part.strip() for value in values for part in _split(value))
    return list(dict.fromkeys(part for part in parts if part))


def _split(text: str) -> list[str]:
    plain = [at for at, outside in _scan(text, strict=False) if outside]
    last = max((at for at in plain if text[at] == "]"), default=-1)
    parts, start, closed_at = [], 0, -1
    for at in plain:
        if text[at] == "[" and at < last:
            closed_at = next(end for end in plain if end > at and text[end] == "]")
        if text[at] == "," and at > closed_at:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


@dataclass(frozen=True)
class Column:
    """The name of a metric's column, in parts.

    Attributes:
        name: the metric's.
        inner: what stands in brackets: the variant, the name of the reference set, or both with a colon between.
        argument: what follows the first colon.
        weights: the network's name, where it is not the default.
        hash: the first 8 digits of the file's sha256, where the user gave the file.
        aggregate: `auc-10`: what of the metric's values the column holds, if not their mean.
    """

    name: str
    inner: str | None = None
    argument: str | None = None
    weights: str | None = None
    hash: str | None = None
    aggregate: str | None = None

    def __str__(self) -> str:
        text = self.name if self.inner is None else f"{self.name}[{self.inner}]"
        text += f":{self.argument}" if self.argument is not None else ""
        text += f"@{self.weights}" if self.weights is not None else ""
        text += f":{self.hash}" if self.hash is not None else ""
        return text if self.aggregate is None else f"{text}:{self.aggregate}"

    @classmethod
    def parse(cls, key: str) -> Column:
        """The parts of any name that a column can have."""
        found = _COLUMN.fullmatch(key)
        return cls(**found.groupdict()) if found else cls(key)

    def names(self) -> tuple[str, str, str, str]:
        """What a user may call the column: its name, and that without its file's hash, its network, its variant.

        `nme@pfld-68:0123abcd:auc-8` is also `nme@pfld-68:auc-8` and `nme:auc-8`; `fid[clean]` is also `fid`.
        """
        behind = self.aggregate
        return (
            str(self),
            str(Column(self.name, self.inner, self.argument, self.weights, None, behind)),
            str(Column(self.name, self.inner, self.argument, None, None, behind)),
            str(Column(self.name, aggregate=behind)),
        )


_COLUMN = re.compile(
    r"(?P<name>[^\[\]:@]+)(?:\[(?P<inner>[^\[\]]*)\])?"
    r"(?::(?!(?:(?:auc|failure)-\d+|below-\d+(?:\.\d+)?)$)(?P<argument>[^@]+?))?"
    r"(?:@(?P<weights>[^:]+)(?::(?P<hash>[0-9a-f]{8}))?)?"
    r"(?::(?P<aggregate>(?:auc|failure)-\d+|below-\d+(?:\.\d+)?))?"
)
