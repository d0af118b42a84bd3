"""The form that a figure is drawn in: its width, its letters, with or without a title, on light paper or on dark.

Figures ask for it where they are drawn (`form`), so that one `with in_form(...)` around them holds for all of them:

    with in_form(Form(title=False, serif=True, width=COLUMN)):
        save(tradeoff(group), path)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from facesr_bench.base.errors import ResultsError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.25, 6.875
"""Inches: a column and the text of a page in two columns (CVPR, ICCV; IEEE's differ by less than 2 %)."""
NARROW = 4.5
"""Below so many inches a legend stands below the plot, and panels below each other."""
_LEAST, _MOST = 1.5, 30.0


@dataclass(frozen=True)
class Ink:
    """The colours of all that is no data; each is used for nothing else, so that a drawing can change its scheme.

    Attributes:
        text: letters, axes and ticks.
        strong: what stands over coloured data: means and intervals.
        quiet: small numbers within a plot, and lines to compare with.
        rule: lines that part something.
        grid: lines of a grid.
        ground: what a plot stands on, and what is hollow.
    """

    text: str
    strong: str
    quiet: str
    rule: str
    grid: str
    ground: str


INKS = {
    "light": Ink("#262626", "#0a0a0a", "#404040", "#bfbfbf", "#e6e6e6", "#ffffff"),
    # Those of the pages' dark sheet.
    "dark": Ink("#e6e3dc", "#fcfaf5", "#c3c0b8", "#5b5d60", "#35373a", "#1c1e1f"),
}


@dataclass(frozen=True)
class Form:
    """How figures are drawn.

    Attributes:
        title: whether the protocol, profile and count stand above; a paper says them in its caption.
        serif: letters like Times, as papers are set in, instead of DejaVu Sans.
        width: inches; None: what the figure needs.
        scheme: for light paper, or for dark.
        transparent: nothing is painted below the figure.
    """

    title: bool = True
    serif: bool = False
    width: float | None = None
    scheme: Literal["light", "dark"] = "light"
    transparent: bool = False

    @property
    def ink(self) -> Ink:
        """The colours of text and lines on this background."""
        return INKS[self.scheme]

    @property
    def fonts(self) -> list[str]:
        """Families of letters, the first that is installed is taken."""
        return ["STIXGeneral", "DejaVu Serif", "serif"] if self.serif else ["DejaVu Sans"]


_FORM: ContextVar[Form] = ContextVar("form", default=Form())  # noqa: B039 - it is frozen


def form() -> Form:
    """The form that figures are drawn in here."""
    return _FORM.get()


@contextmanager
def in_form(wanted: Form) -> Iterator[None]:
    """Draw every figure within in this form."""
    token = _FORM.set(wanted)
    try:
        yield
    finally:
        _FORM.reset(token)


def read_width(text: str) -> float:
    """The inches that `column`, `page` or a number of centimetres means.

    Raises:
        ResultsError: it means none, or one that no figure can have.
    """
    known = {"column": COLUMN, "page": PAGE}
    if text in known:
        return known[text]
    try:
        inches = float(text.removesuffix("cm")) / 2.54
    except ValueError:
        inches = 0.0
    if not _LEAST <= inches <= _MOST:
        least, most = 2.54 * _LEAST, 2.54 * _MOST
        raise ResultsError(
            f"width {text!r}: give `column` ({2.54 * COLUMN:.2f} cm), `page` ({2.54 * PAGE:.2f} cm), or a number of "
            f"centimetres from {least:.2g} to {most:.2g}"
        )
    return inches


def give_title(figure: Figure, words: str, *, size: str = "medium") -> None:
    """Put words above a figure, unless its form has no title; `words_of` has them either way."""
    figure.said = words  # type: ignore[attr-defined]
    if form().title:
        figure.suptitle(words, fontsize=size)


def words_of(figure: Figure) -> str:
    """What a caption must say of a figure that was drawn without a title."""
    return str(getattr(figure, "said", "")).replace("\\$", "$")


def in_dark(svg: str) -> str:
    """An SVG of the light scheme as one of the dark: what would be drawn anew, but for the names of its parts."""
    colours = dict(zip(asdict(INKS["light"]).values(), asdict(INKS["dark"]).values(), strict=True))
    return re.sub(r"#[0-9a-f]{6}\b", lambda found: colours.get(found[0], found[0]), svg)
