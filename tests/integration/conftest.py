"""Real runs on real pictures: the astronaut's face in several crops, and methods made for the occasion."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.data.protocols import find_protocol

CARD = """
schema_version = 1
kind = "method"
name = "{name}"
title = "{name}"
summary = "A method made by a test."
input = "{input}"
licence = "Apache-2.0"
"""

HEAD = """
import torch
from torch.nn import functional
from facesr_bench import MethodBase

class Method(MethodBase):
    def upscale(self, lr):
"""

MakeMethod = Callable[..., str]


@pytest.fixture
def faces(tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
    """Five 64x64 crops of a face, as folder-x8 takes them."""
    folder = tmp_path / "faces"
    folder.mkdir()
    for i in range(5):
        Image.fromarray(astronaut[64 + 8 * i : 128 + 8 * i, 40 + 4 * i : 104 + 4 * i]).save(folder / f"face{i}.png")
    return folder


@pytest.fixture
def make_method(tmp_path: Path) -> MakeMethod:
    """Writes a plug-in folder whose `upscale` has the body given; returns the spec for --methods."""

    def make(name: str, body: str, input: str = "lr", head: str = HEAD) -> str:  # noqa: A002
        folder = tmp_path / "plugins" / name
        folder.mkdir(parents=True)
        (folder / "card.toml").write_text(CARD.format(name=name, input=input))
        indented = "\n".join(f"        {line}" for line in body.strip().splitlines())
        (folder / "method.py").write_text(head + indented + "\n")
        return str(folder)

    return make


@pytest.fixture
def own_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the demo's blind protocol as somebody's own dataset, ./mine with `mine-blind`: its pictures are drawn
    from the protocol's name, so all but one are others than those whose hashes it commits.
    """
    monkeypatch.chdir(tmp_path)
    shutil.copytree(find_protocol("demo-blind")[0].folder, "mine")
    card = Path("mine/card.toml")
    card.write_text(card.read_text().replace("demo-aligned", "mine").replace("[protocols.demo-", "[protocols.mine-"))
    return Path("mine")
