"""Low-quality sets for others: a folder of faces degraded as a protocol would, with a record of what was done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facesr_bench.base.environment import package_version
from facesr_bench.base.errors import PLUGIN_ERRORS, DataError, FaceSRBenchError, describe
from facesr_bench.base.files import file_name
from facesr_bench.base.filled import begin, finish
from facesr_bench.data import folders
from facesr_bench.data.prepare import prepare
from facesr_bench.images.files import picture_libraries, pixel_sha256, read_image, write_png
from facesr_bench.plugins.cards import CropCard, ProtocolCard
from facesr_bench.plugins.dataset import Item, Picture
from facesr_bench.plugins.degradation import find_degradation, identity, make_degradation

COMMAND = "facesr-bench degrade"
SIDE = 512
"""Side of the faces that blind restoration is about, px; larger pictures are brought to it, smaller ones refused."""

Each = Callable[[list[Item]], Iterable[Item]]


@dataclass
class Degraded:
    """What `degrade` made.

    Attributes:
        name: the protocol's, from which with an image's id the seed is made.
        images: one entry per picture, as in the manifest.
        failed: why a picture could not be degraded, by id.
    """

    name: str
    images: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def degrade(source: Path, degradation: str, out: Path, *, each: Each = iter, side: int = SIDE) -> Degraded:
    """Degrade every picture of a folder, as protocol `hq512-NAME` does it: the files have the same pixels.

    Args:
        source: square FFHQ-aligned faces of at least `side` px.
        degradation: name or folder.
        out: gets NAME.png of each, and manifest.json.
        each: what the pictures are taken from; to show progress.

    Raises:
        FaceSRBenchError: no such degradation, no pictures, `out` holds something else or can't be
            written, or the degradation leaves pictures as they are.
    """
    plugin = find_degradation(degradation)
    card = plugin.require_card()
    protocol = _protocol(f"hq512-{card.name}", card.name, side)
    made = make_degradation(plugin, protocol.scale)
    items = folders.single_items(source)
    begin(source, out, COMMAND, "")
    done = Degraded(protocol.name)
    for item in each(items):
        try:
            sample = prepare(item.id, Picture(hr=read_image(item.files[0])), protocol, made)
        except FaceSRBenchError as error:
            done.failed[item.id] = str(error)
            continue
        except PLUGIN_ERRORS as error:
            done.failed[item.id] = describe(error)
            continue
        assert sample.hr is not None
        if not card.random and np.array_equal(sample.lr, sample.hr):
            raise DataError(
                f"{card.name} leaves {item.files[0]} as it is: at scale 1 it degrades nothing; `facesr-bench list "
                "degradations` has those that do"
            )
        file = f"{file_name(item.id)}.png"
        write_png(out / file, sample.lr)
        done.images.append(
            {
                "id": item.id,
                "file": file,
                "degradation": sample.degradation,
                "sha256": pixel_sha256(sample.lr),
                "hr_sha256": pixel_sha256(sample.hr),
            }
        )
    record = {
        "degradation": {"name": card.name, "version": card.version, **identity(plugin)},
        "drawn_from": protocol.name,
        "side": side,
        "made_by": picture_libraries(),
        "facesr_bench": package_version("facesr-bench"),
        "images": done.images,
        "failed": done.failed,
    }
    finish(out, COMMAND, record)
    return done


def _protocol(name: str, degradation: str, side: int) -> ProtocolCard:
    crop = CropCard(rule="none")
    return ProtocolCard(
        name=name,
        summary="",
        crop=crop,
        scale=1,
        hr_size=side,
        source="hr",
        degradation=degradation,
        aligned="ffhq",
        profile="basicsr-rgb",
        metrics=(),
    )
