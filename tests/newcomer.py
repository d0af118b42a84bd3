"""What somebody has who follows the documentation, made of the faces that ship with our dependencies.

Small folders in the layouts of Helen, LFW, CelebA-Test ..., photographs, finished pictures, networks of the right shape
with random weights, and a config file that says where those are. Nothing is downloaded.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facesr_bench.data.prepare import prepare
from facesr_bench.data.sources import open_dataset
from facesr_bench.functional.lpips import write_random_backbone
from facesr_bench.images.files import Image8, write_png
from facesr_bench.images.resize import resize
from facesr_bench.plugins.dataset import Picture
from facesr_bench.plugins.degradation import find_degradation, make_degradation
from facesr_bench.plugins.loading import bundled_folder
from tests.spandrel_networks import filled, gfpgan_like

PROGRAM = """title = "Mine"
licence = "Apache-2.0"
command = ["{python}", "enlarge.py", "{lr_dir}", "{sr_dir}"]
"""
ENLARGE = """
import sys
from pathlib import Path
from PIL import Image
for path in sorted(Path(sys.argv[1]).iterdir()):
    with Image.open(path) as picture:
        picture.resize((picture.width * 8, picture.height * 8)).save(Path(sys.argv[2], path.name))
"""


FEW = 3
"""Faces of a data set: enough for an interval, and quickly done."""


def demo() -> dict[str, tuple[Picture, Image8]]:
    """Of every demo face: the photograph with its 68 landmarks, and the 128 px face."""
    dataset, protocol = open_dataset("demo-x8", {})
    how = make_degradation(find_degradation(str(protocol.degradation)), protocol.scale)
    found = {}
    for item in dataset.items(protocol):
        picture = dataset.read(item, protocol)
        hr = prepare(item.id, picture, protocol, how).hr
        assert hr is not None
        found[item.id] = picture, hr
    return found


def write_helen(folder: Path) -> None:
    """iBUG's layout: a picture and its points, which count from 1."""
    folder.mkdir(parents=True)
    for name, (picture, _) in list(demo().items())[:FEW]:
        assert picture.hr is not None and picture.landmarks is not None
        left, top, side = (int(value) for value in picture.box or (0, 0, 0))
        y, x = max(0, top - side // 2), max(0, left - side // 2)
        write_png(folder / f"{name}.png", np.ascontiguousarray(picture.hr[y : y + 2 * side, x : x + 2 * side]))
        points = "\n".join(f"{px + 1 - x:.3f} {py + 1 - y:.3f}" for px, py in picture.landmarks)
        (folder / f"{name}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{points}\n}}\n")


def write_lfw(folder: Path) -> None:
    """A folder per person, for the first people of the list."""
    names = json.loads((Path(bundled_folder("datasets")) / "lfw" / "heldout.json").read_text(encoding="utf-8"))
    for name, (_, face) in zip(names[:FEW], demo().values(), strict=False):
        path = folder / name.rpartition("_")[0] / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        from PIL import Image

        Image.fromarray(resize(face, (250, 250))).save(path, quality=95)


def write_faces(folder: Path, side: int, count: int) -> None:
    """Upright crops, as trainings take them."""
    folder.mkdir(parents=True)
    faces = [face for _, face in demo().values()]
    for number in range(count):
        face, cut = faces[number % len(faces)], 2 * (number // len(faces))
        write_png(folder / f"face{number:02d}.png", resize(face[cut : 128 - cut, cut : 128 - cut], (side, side)))


def write_pairs(folder: Path) -> None:
    """HR and LR of 512 px, the LR poorer."""
    (folder / "HR").mkdir(parents=True)
    (folder / "LR").mkdir()
    for name, (_, face) in list(demo().items())[:2]:
        write_png(folder / "HR" / f"{name}.png", resize(face, (512, 512)))
        write_png(folder / "LR" / f"{name}.png", resize(resize(face, (64, 64)), (512, 512)))


def write_photo(path: Path) -> None:
    """A photograph with one face, as scikit-image ships it."""
    from PIL import Image
    from skimage import data

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(data.astronaut()).save(path)  # type: ignore[no-untyped-call]


def write_finished(folder: Path, size: int, suffix: str = "") -> None:
    """Somebody's pictures of the faces in `write_helen`."""
    folder.mkdir(parents=True)
    for name, (_, face) in list(demo().items())[:FEW]:
        write_png(folder / f"{name}{suffix}.png", resize(resize(face, (32, 32)), (size, size)))


def write_alexnet(path: Path) -> None:
    """What LPIPS (alex) computes with, in random numbers."""
    write_random_backbone("alex", path)


def write_gfpgan(path: Path) -> None:
    """GFPGAN's network for 512 px, in random numbers."""
    torch.save({"params_ema": filled(gfpgan_like(512), biases=0.1)}, path)


def write_esrgan(path: Path, blocks: int = 1) -> None:
    """An x4 network as Real-ESRGAN's, with few channels."""
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.save({"params_ema": filled(ESRGAN(num_filters=8, num_blocks=blocks, scale=4), biases=0.1)}, path)


def write_program(folder: Path) -> None:
    """mine.toml, and the program that it starts."""
    (folder / "mine.toml").write_text(PROGRAM, encoding="utf-8")
    (folder / "enlarge.py").write_text(ENLARGE, encoding="utf-8")


def write_config(home: Path, weights: dict[str, Path]) -> None:
    """The config file of a home folder that names weights."""
    path = home / ".config" / "facesr-bench" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{json.dumps(name)} = {json.dumps(str(file))}" for name, file in weights.items()]
    path.write_text("\n".join(["[weights]", *lines, ""]), encoding="utf-8")


def shipped(method: str) -> Path:
    """The bundled checkpoint of a method."""
    (path,) = (Path(bundled_folder("methods")) / method / "weights").glob("*.safetensors")
    return path


def once(path: Path, write: Callable[[Path], Any]) -> Path:
    """A file that is made where it is not there yet."""
    if not path.exists():
        write(path)
    return path


def copied(source: Path, target: Path) -> None:
    """A file or folder, copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)
