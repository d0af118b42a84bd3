"""What those are told who type a file or a folder where a method's name belongs: the method that takes it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from facesr_bench.base.errors import MethodError
from facesr_bench.base.grammar import Spec
from facesr_bench.base.suggest import expanded
from facesr_bench.images.files import SUFFIXES
from facesr_bench.plugins.cards import MethodCard

PICTURES = "pictures"
"""In a card's `opens`: a folder of pictures."""

WEIGHTS = frozenset({".pth", ".pt", ".ckpt", ".safetensors"})
"""Files that may also be weights of a method that is known by name."""


def door(text: str, cards: Iterable[MethodCard]) -> str | None:
    """How a file or a folder of pictures is to be written, in words; None where no method takes such a thing.

    Args:
        text: what was typed; it may be missing, and then goes by its name.
        cards: of all methods.
    """
    path = expanded(text)
    if path.is_dir():
        count = _pictures(path)
        what = f"it is a folder of {count} picture{'' if count == 1 else 's'}"
        names = [card.name for card in cards if PICTURES in card.opens] if count else []
        return f"{what}: write {_either(f'{name}:{text}' for name in names)}" if names else None
    suffix = path.suffix.lower()
    names = [card.name for card in cards if suffix and suffix in card.opens]
    if not names:
        return None
    what = "it is a file" if path.exists() else "there is no such file, and a file is no method by itself"
    written = [f"{name}:{text}" for name in names] + [f"METHOD@{text}"] * (suffix in WEIGHTS)
    known = " (with the name of a method whose weights they are)" if suffix in WEIGHTS else ""
    return f"{what}: write {_either(written)}{known}"


def row_of(path: Path, cards: Iterable[MethodCard]) -> str:
    """How a file is asked for as a method: by the one whose card opens such files.

    Raises:
        MethodError: none does.
    """
    suffix = path.suffix.lower()
    opener = next((card.name for card in cards if suffix in card.opens), None)
    if opener is None:
        raise MethodError(f"{path}: no method here opens {suffix} files")
    return str(Spec(opener, argument=str(path)))


def all_doors(cards: Iterable[MethodCard]) -> str:
    """Every method that takes what others have made, in a line; empty where there is none."""
    found = [f"{as_typed(card)} ({card.title})" for card in cards if card.takes_argument and card.opens]
    return f"\n  of your own or of others: {', '.join(sorted(found))}, ./FOLDER of a plug-in" if found else ""


def as_typed(card: MethodCard) -> str:
    """How a method that takes an argument is written: `images:DIR`, `onnx:FILE.onnx`."""
    if not card.opens:
        return f"{card.name}:ARGUMENT"
    return f"{card.name}:{'DIR' if PICTURES in card.opens else f'FILE{card.opens[0]}'}"


def _pictures(folder: Path) -> int:
    """How many pictures lie directly in a folder, or else in the folders in it."""
    try:
        here = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
        return len(here) or sum(path.suffix.lower() in SUFFIXES for path in folder.glob("*/*"))
    except OSError:
        return 0


def _either(words: Iterable[str]) -> str:
    return " or ".join(words)
