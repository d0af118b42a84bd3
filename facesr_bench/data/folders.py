"""Reads plain folders of pictures: what several datasets share."""

from __future__ import annotations

from pathlib import Path

from facesr_bench.base.errors import DataError
from facesr_bench.images import files, folders
from facesr_bench.plugins.dataset import Item, Picture


def single_items(folder: Path) -> list[Item]:
    """One item per picture directly in `folder`; its id is the file name without suffix.

    Raises:
        DataError: no pictures, or two with one stem.
    """
    return [Item(stem, (path,)) for stem, path in folders.by_stem(folders.list_images(folder)).items()]


def pair_items(root: Path) -> list[Item]:
    """One item per pair of root/HR and root/LR with the same stem; its files are HR, then LR.

    Raises:
        DataError: a folder is missing, or some pictures have no partner.
    """
    missing = [name for name in ("HR", "LR") if not (root / name).is_dir()]
    if missing:
        raise DataError(f"{root}: no folder {' and no folder '.join(missing)} in it (pairs are read from HR/ and LR/)")
    return [Item(stem, (hr, lr)) for stem, hr, lr in folders.pair_by_stem(root / "HR", root / "LR")]


def read_pair(item: Item) -> Picture:
    """The HR and LR pictures of an item of `pair_items`."""
    hr, lr = item.files
    return Picture(hr=files.read_image(hr), lr=files.read_image(lr))
