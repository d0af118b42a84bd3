"""Checks of methods that hand over finished pictures by ids: of a folder, or of another program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from facesr_bench.evaluation.conformance.checks import Check, Expected, all_of, faces, made
from facesr_bench.evaluation.seeding import image_seed, seeded
from facesr_bench.images.files import Image8
from facesr_bench.plugins.argument import Argument
from facesr_bench.plugins.pictures import Asked, Finished, PictureMethod

SHOWN = 20
"""Images that a problem names."""
_SOME = 8
"""Pictures that are asked for again."""


@dataclass(frozen=True)
class _Ready:
    """A method that has handed over pictures.

    Attributes:
        asked: what it was asked for; found: what came.
    """

    method: PictureMethod
    asked: Sequence[Asked]
    found: Sequence[Finished]

    def again(self, asked: Sequence[Asked]) -> list[Finished]:
        return _finished(self.method, asked)


def check_pictures(method: PictureMethod, opened: Argument | None, expected: Expected | None) -> Iterator[Check]:
    """Ask for pictures, and look at what comes.

    Args:
        method: loaded.
        expected: a protocol's images; None: those that it has pictures of, or three made up.
    """
    check, known = made("images", lambda: _known(method, opened, expected))
    if not isinstance(known, _Known):
        yield check
        return
    yield replace(check, note="; ".join(known.remarks))
    asked = known.asked
    check, found = made("pictures", lambda: _finished(method, asked))
    if not isinstance(found, list):
        yield check
        return
    yield Check("pictures", _missing(asked, found), note=_sizes(found))
    yield from all_of(_CHECKS, _Ready(method, asked[:_SOME], found[:_SOME]))


@dataclass(frozen=True)
class _Known:
    """What a method of finished pictures is asked for, and what its argument says of that."""

    asked: list[Asked]
    remarks: Sequence[str]


def _known(method: PictureMethod, opened: Argument | None, expected: Expected | None) -> _Known:
    remarks = () if opened is None or expected is None else opened.remarks(expected.ids)
    return _Known(_asked(method, expected), remarks)


def _asked(method: PictureMethod, expected: Expected | None) -> list[Asked]:
    """What it is asked for: of a size that is known where it makes the pictures itself, or a protocol says it."""
    known = method.known_ids()
    names = list((expected and expected.ids) or known or ("first", "second", "third"))
    if known is None:
        side = method.card.output_size // method.scale if method.card.output_size else 16
        lrs = [method.given(picture) for picture in faces(side, len(names))]
        size = method.output_size(side, side)
        return [Asked(name, lr, size, image_seed(method.card, "", name)) for name, lr in zip(names, lrs, strict=True)]
    return [Asked(name, np.zeros((1, 1, 3), np.uint8), expected.size if expected else None) for name in names]


def _finished(method: PictureMethod, asked: Sequence[Asked]) -> list[Finished]:
    """As the engine asks: all at once, or one at a time where it draws random numbers."""
    groups = [asked] if method.card.deterministic else [[each] for each in asked]
    found: list[Finished] = []
    for group in groups:
        with method.world, seeded(group[0].seed, method.device):
            found += method.finished(group)
    return found


def _missing(asked: Sequence[Asked], found: Sequence[Finished]) -> str | None:
    """Each image without a picture, and why."""
    if len(found) != len(asked):
        return f"{len(found)} answers for {len(asked)} images"
    pairs = zip(asked, found, strict=True)
    why = [f"{each.id}: {one.error or 'no reason given'}" for each, one in pairs if one.sr is None]
    if not why:
        return None
    more = [f"... and {len(why) - SHOWN} more"] if len(why) > SHOWN else []
    return "\n    ".join([f"{len(why)} of {len(asked)} images have none:", *why[:SHOWN], *more])


def _sizes(found: Sequence[Finished]) -> str:
    """`330 pictures: 330 of 128x128 px`"""
    shapes = [one.sr.shape[:2] for one in found if one.sr is not None]
    counts = {shape: shapes.count(shape) for shape in sorted(set(shapes))}
    told = ", ".join(f"{count} of {width}x{height} px" for (height, width), count in counts.items())
    return f"{len(shapes)} pictures: {told}" if shapes else ""


def _kind(ready: _Ready) -> str | None:
    for each, one in zip(ready.asked, ready.found, strict=True):
        if one.sr is not None and (one.sr.dtype != np.uint8 or one.sr.ndim != 3 or one.sr.shape[2] != 3):
            return f"{each.id}: {'x'.join(map(str, one.sr.shape))} {one.sr.dtype}; expected HxWx3 uint8"
    return None


def _input_kept(ready: _Ready) -> str | None:
    kept = [each.lr.copy() for each in ready.asked]
    ready.again(ready.asked)
    changed = [each.id for each, lr in zip(ready.asked, kept, strict=True) if not np.array_equal(each.lr, lr)]
    return f"{', '.join(changed)}: finished changed its input in place; copy it first" if changed else None


def _determinism(ready: _Ready) -> str | None:
    others = [replace(each, seed=each.seed ^ 1) for each in ready.asked]  # of no meaning to what draws nothing
    changed = _differing(ready, ready.again(others if ready.method.card.deterministic else ready.asked))
    return f"{', '.join(changed)}: the same input gave another picture" if changed else None


def _batch_invariance(ready: _Ready) -> str | None:
    singles = [ready.again([each])[0] for each in reversed(ready.asked)]
    changed = _differing(ready, singles[::-1])
    return f"{', '.join(changed)}: alone, another picture than among others" if changed else None


def _differing(ready: _Ready, again: Sequence[Finished]) -> list[str]:
    triples = zip(ready.asked, ready.found, again, strict=True)
    return [each.id for each, one, other in triples if not _same(one.sr, other.sr)]


def _same(one: Image8 | None, other: Image8 | None) -> bool:
    return one is other is None or (one is not None and other is not None and np.array_equal(one, other))


_CHECKS = {
    "kind": _kind,
    "input kept": _input_kept,
    "determinism": _determinism,
    "batch invariance": _batch_invariance,
}
