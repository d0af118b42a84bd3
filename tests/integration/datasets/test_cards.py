"""What the cards of all datasets say, and how any dataset is listed and hashed."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from facesr_bench.data import protocols
from facesr_bench.images.files import Image8, write_png
from facesr_bench.plugins import registry
from facesr_bench.plugins.dataset import DatasetBase
from tests.integration.datasets.reading import content_hash


@pytest.mark.parametrize("name", ["demo", "helen", "celeba", "lfw", "realworld", "folder"])
def test_says_what_a_person_needs(name: str) -> None:
    card = registry.datasets().get(name).require_card()
    assert all(len(text) > 5 for text in (card.licence, card.obtain, card.layout, card.summary))
    assert all(name.startswith(card.name) for name in card.protocols)


@pytest.mark.parametrize("name", ["demo-aligned", "hq512", "celeba-test"])
def test_one_that_another_reads_says_so_too(name: str) -> None:
    plugin = registry.datasets().get(name)
    card = plugin.require_card()
    assert all(len(text) > 5 for text in (card.licence, card.obtain, card.layout, card.summary))
    assert card.implementation == plugin.code_folder.name != plugin.folder.name
    assert all(protocol.aligned == "ffhq" and protocol.scale == 1 for protocol in card.protocols.values())


def test_full_sizes() -> None:
    expected = {
        "demo-x8": 7,
        "demo-blind": 6,
        "celeba-test-gfpgan": 3000,
        "celeba-test-daefr": 3000,
        "celeba-test-difface": 4000,
        "celeba-test-resshift": 2000,
        "fos-syn": 3150,
        "helen-x8": 330,
        "helen-x8-matlab": 330,
        "helen-dic-x8": 50,
        "helen-ctcnet-x8": 50,
        "helen-hybrimamba-x8": 50,
        "celeba-ctcnet-x8": 1000,
        "celeba-hybrimamba-x8": 1000,
        "celeba-x8": 19962,
        "celeba-dic-x8": 1000,
        "lfw-x8": 750,
        "realworld-lfw-test": 1711,
        "realworld-webphoto-test": 407,
        "realworld-wider-test": 970,
        "realworld-celebchild-test": 180,
        "realworld-celeba-testn": 1117,
        "realworld-fos": 4253,
        "realworld-ntire-celeba": 100,
        "realworld-ntire-lfw": 100,
        "realworld-ntire-celebchild": 50,
        "realworld-ntire-webphoto": 100,
        "realworld-ntire-wider": 100,
    }
    sized = {name: protocols.find_protocol(name)[1].expected_count for name in protocols.protocol_names()}
    assert {name: count for name, count in sized.items() if count is not None} == expected


def test_listing_imports_nothing_heavy() -> None:
    """Finding the demo's pictures must not import the packages that ship them."""
    code = (
        "import sys; from facesr_bench.data import sources as data; assert data.why_not_ready('demo-x8', {}) is None; "
        "print([m for m in ('skimage', 'insightface', 'torch', 'cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_file_sha256_of_base_class(tmp_path: Path, faces: list[Image8]) -> None:
    """The hash every other dataset has: ids and file bytes, by hand."""
    write_png(tmp_path / "a.png", faces[0])
    bytes_hash = hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()
    assert content_hash("folder-x8", tmp_path) == hashlib.sha256(f"a\0{bytes_hash}\0".encode()).hexdigest()


def test_plugin_packages_exist() -> None:
    assert all(importlib.util.find_spec(name) for name in ("skimage", "insightface"))
    assert all(issubclass(plugin.load_class(), DatasetBase) for plugin in registry.datasets().plugins)
