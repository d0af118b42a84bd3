"""From a dataset's layout on disk to the samples that methods get, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from facesr_bench.base.errors import DataError
from facesr_bench.data import sources
from facesr_bench.data.prepare import prepare
from facesr_bench.images.files import Image8, write_png
from facesr_bench.images.matlab import imresize
from facesr_bench.plugins.degradation import find_degradation, make_degradation
from facesr_bench.plugins.sample import Sample


def samples(protocol_name: str, root: Path | None) -> list[Sample]:
    """Every sample, read by several threads as the runner does."""
    dataset, protocol = sources.open_dataset(protocol_name, {} if root is None else {protocol_name: root})
    how = make_degradation(find_degradation(protocol.degradation), protocol.scale) if protocol.degradation else None
    with ThreadPoolExecutor(4) as pool:
        read = pool.map(lambda item: (item.id, dataset.read(item, protocol)), dataset.items(protocol))
        return [prepare(image_id, picture, protocol, how) for image_id, picture in read]


def content_hash(protocol_name: str, root: Path) -> str:
    dataset, protocol = sources.open_dataset(protocol_name, {protocol_name: root})
    return dataset.content_hash(dataset.items(protocol))


def problem(protocol_name: str, root: Path) -> str:
    """Why a protocol is refused, either when its items are listed or when one is read."""
    with pytest.raises(DataError) as caught:
        samples(protocol_name, root)
    return str(caught.value)


def ids(found: Sequence[Sample]) -> list[str]:
    return [sample.id for sample in found]


def write_pairs(root: Path, faces: Sequence[Image8]) -> None:
    for folder in ("HR", "LR"):
        (root / folder).mkdir(parents=True)
    for i, face in enumerate(faces):
        write_png(root / "HR" / f"face{i}.png", face)
        # MATLAB's LR, which no degradation of these protocols makes: it must be read, not made again.
        write_png(root / "LR" / f"face{i}.png", imresize(face, (16, 16)))
