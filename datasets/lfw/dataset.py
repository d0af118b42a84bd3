"""Labeled Faces in the Wild, in the layout of its archives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from facesr_bench.base.errors import DataError
from facesr_bench.images import files
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.dataset import DatasetBase, Item, Picture

ARCHIVE_FOLDER = "lfw-deepfunneled"


class Dataset(DatasetBase):
    """The photographs of people on the list of the protocol's split (`<split>.json` beside this file)."""

    def items(self, protocol: ProtocolCard) -> Sequence[Item]:
        names: list[str] = json.loads(Path(__file__).with_name(f"{protocol.split}.json").read_text(encoding="utf-8"))
        nested = self.root / ARCHIVE_FOLDER
        folder = nested if nested.is_dir() else self.root
        places = {name: folder / person_of(name) / f"{name}.jpg" for name in names}
        found = [Item(name, (path,), {"identity": person_of(name)}) for name, path in places.items() if path.is_file()]
        if not found:
            raise DataError(
                f"{folder}: none of the {len(names)} photographs of {protocol.name} is in it, such as "
                f"{places[names[0]].relative_to(folder)}"
            )
        return found

    def read(self, item: Item, protocol: ProtocolCard) -> Picture:
        del protocol
        return Picture(hr=files.read_image(item.files[0]), identity=item.meta["identity"])


def person_of(name: str) -> str:
    """`George_W_Bush` of `George_W_Bush_0001`."""
    return name.rpartition("_")[0]
