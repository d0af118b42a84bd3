"""The user's own pictures: HR, HR/LR pairs, or LR alone."""

from __future__ import annotations

from collections.abc import Sequence

from facesr_bench.data import folders
from facesr_bench.images import files
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.dataset import DatasetBase, Item, Picture


class Dataset(DatasetBase):
    """The protocol's `source` says what the folder holds."""

    def items(self, protocol: ProtocolCard) -> Sequence[Item]:
        return folders.pair_items(self.root) if protocol.source == "pairs" else folders.single_items(self.root)

    def read(self, item: Item, protocol: ProtocolCard) -> Picture:
        if protocol.source == "pairs":
            return folders.read_pair(item)
        picture = files.read_image(item.files[0])
        return Picture(hr=picture) if protocol.source == "hr" else Picture(hr=None, lr=picture)
