"""A folder of low-quality faces without ground truth."""

from __future__ import annotations

from collections.abc import Sequence

from facesr_bench.data import folders
from facesr_bench.images import files
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.dataset import DatasetBase, Item, Picture


class Dataset(DatasetBase):
    """The pictures directly in the folder."""

    def items(self, protocol: ProtocolCard) -> Sequence[Item]:
        del protocol
        return folders.single_items(self.root)

    def read(self, item: Item, protocol: ProtocolCard) -> Picture:
        del protocol
        return Picture(hr=None, lr=files.read_image(item.files[0]))
