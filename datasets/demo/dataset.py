"""Faces out of pictures that installed packages carry."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facesr_bench.base.errors import DataError
from facesr_bench.base.hashing import file_sha256
from facesr_bench.images import files
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.dataset import DatasetBase, Item, Picture


class Dataset(DatasetBase):
    """The faces that the card's options list."""

    def items(self, protocol: ProtocolCard) -> Sequence[Item]:
        del protocol
        points = json.loads((Path(__file__).parent / "landmarks.json").read_text(encoding="utf-8"))
        found = {name: _locate(**picture) for name, picture in self.card.options["pictures"].items()}
        return [
            Item(face["id"], (found[face["picture"]],), {"box": tuple(face["box"]), "landmarks": points[face["id"]]})
            for face in self.card.options["faces"]
        ]

    def read(self, item: Item, protocol: ProtocolCard) -> Picture:
        del protocol
        landmarks = np.array(item.meta["landmarks"], dtype=np.float64)
        return Picture(hr=files.read_image(item.files[0]), landmarks=landmarks, box=item.meta["box"])

    def content_hash(self, items: Sequence[Item]) -> str:
        """As for every dataset, and over the boxes and landmarks."""
        places: dict[str, Any] = {item.id: [item.meta["box"], item.meta["landmarks"]] for item in items}
        return hashlib.sha256(f"{super().content_hash(items)} {json.dumps(places)}".encode()).hexdigest()


def _locate(package: str, file: str, sha256: str) -> Path:
    """The picture inside an installed package, found without importing the package (both take seconds to import)."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"package {package} is not installed; the demo faces need its {file}: pip install facesr-bench")
    path = Path(next(iter(spec.submodule_search_locations))) / file
    if not path.is_file():
        raise DataError(f"{path}: missing; this version of package {package} does not ship it")
    found = file_sha256(path)
    if found != sha256:
        raise DataError(
            f"{path}: not the picture that the demo's boxes were drawn on (sha256 {found}, expected {sha256}); "
            f"package {package} has changed it: reinstall the package, or another version of it"
        )
    return path
