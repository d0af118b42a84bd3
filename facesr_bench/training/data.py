"""Faces on disk, decoded once; the samples of a step, from the seed and the step alone; threads that keep ahead."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from facesr_bench.base.errors import DataError
from facesr_bench.base.files import replacing
from facesr_bench.base.text import counted
from facesr_bench.data import degradation
from facesr_bench.images.files import SUFFIXES, Image8, read_image
from facesr_bench.images.folders import say_passed_over
from facesr_bench.images.resize import resize
from facesr_bench.plugins.degradation import DegradationBase
from facesr_bench.training.config import CropSettings, FaceSettings

Batch: TypeAlias = tuple[Tensor, Tensor]
"""(input, target), each Bx3xSxS in [-1, 1], channels-last."""

DECODED_AT_ONCE = 256
UNUSABLE_SHOWN = 20
"""How many pictures that can't be used are named before decoding gives up."""
OTHER_SHAPES = "--set face_size=144 cuts and resizes each to 144x144"


@dataclass(frozen=True)
class Faces:
    """The training pictures.

    Attributes:
        names: paths below the folder, sorted.
        pixels: NxSxSx3, memory-mapped.
        train: indexes to train on.
        held_out: indexes to validate on.
    """

    names: list[str]
    pixels: NDArray[np.uint8]
    train: list[int]
    held_out: list[int]

    @property
    def side(self) -> int:
        """Of the decoded faces, px."""
        return int(self.pixels.shape[1])

    def names_hash(self) -> str:
        """sha256 over the names: whether a resumed training sees the same faces."""
        return hashlib.sha256(_bytes("\n".join(self.names))).hexdigest()


def _bytes(name: str) -> bytes:
    """A file's name as the file system has it, which need not be UTF-8."""
    return name.encode(errors="surrogateescape")


def split(names: list[str], held_out: int) -> tuple[list[int], list[int]]:
    """Training and validation indexes, from the names alone; at most a tenth (but at least one) is held out."""
    order = sorted(range(len(names)), key=lambda i: hashlib.sha256(_bytes(names[i])).digest())
    count = min(held_out, max(1, len(names) // 10))
    return order[count:], order[:count]


def read_faces(folder: Path, cache: Path, side: int, held_out: int, say: Callable[[str], None]) -> Faces:
    """Every picture in `folder` and below, decoded once into a file in `cache`.

    Args:
        side: size that the central square of each is brought to (Pillow bicubic), px; 0: pictures are squares of one
            size and kept as they are.
        held_out: for validation.
        say: called with a line when decoding starts.

    Raises:
        DataError: no folder, fewer than two pictures, an unreadable picture, or sizes that differ.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    every = [p for p in folder.rglob("*") if not p.name.startswith(".")]
    paths = [p for p in every if p.suffix.lower() in SUFFIXES]
    say_passed_over(folder, every)
    by_name = {p.relative_to(folder).as_posix(): p for p in paths}
    names = sorted(by_name)
    if len(names) < 2:
        raise DataError(
            f"{folder}: {counted(len(names), 'picture')}; training needs at least 2 (one to train on, one to watch)"
        )
    try:
        stats = [by_name[name].stat() for name in names]
    except OSError as error:  # a link that leads nowhere
        raise DataError(f"{error.filename}: can't be read: {error.strerror or error}") from error
    identity = "\n".join(f"{n} {s.st_size} {s.st_mtime_ns}" for n, s in zip(names, stats, strict=True))
    key = hashlib.sha256(_bytes(f"1 {side}\n{identity}")).hexdigest()[:16]
    file = cache / f"faces-{key}.npy"
    if not file.is_file():
        say(f"decoding {len(names):,} pictures once, into {file}")
        _decode_all([by_name[name] for name in names], side, file)
    try:
        pixels = np.load(file, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file}: damaged ({error}); remove it, and the pictures are decoded again") from error
    train, held = split(names, held_out)
    return Faces(names, pixels, train, held)


def _decode_all(paths: list[Path], side: int, file: Path) -> None:
    """Write the pictures as one .npy, atomically; a plain write, since a full disk kills who writes to a mapping.

    Raises:
        DataError: pictures that can't be used; all of them in one message, so that they can be mended in one go.
    """
    first: Image8 | None = None
    unusable: list[str] = []
    with replacing(file, DataError) as partial:
        with partial.open("wb") as out, ThreadPoolExecutor(processors()) as pool:
            for start in range(0, len(paths), DECODED_AT_ONCE):
                chunk = paths[start : start + DECODED_AT_ONCE]
                for path, face in zip(chunk, pool.map(lambda p: _square_or_reason(p, side), chunk), strict=True):
                    if isinstance(face, str):
                        unusable.append(face)
                        continue
                    if first is None:
                        first, first_path = face, path
                        header = {"descr": "|u1", "fortran_order": False, "shape": (len(paths), *face.shape)}
                        np.lib.format.write_array_header_1_0(out, header)
                    if face.shape == first.shape:
                        out.write(face.tobytes())
                    else:
                        unusable.append(
                            f"{path}: {face.shape[1]}x{face.shape[0]} px, but {first_path.name} has "
                            f"{first.shape[1]}x{first.shape[0]}; {OTHER_SHAPES}"
                        )
                if len(unusable) >= UNUSABLE_SHOWN:
                    break
        if unusable:
            raise DataError(_listed(unusable))


def _listed(unusable: list[str]) -> str:
    if len(unusable) == 1:
        return unusable[0]
    shown = unusable[:UNUSABLE_SHOWN]
    rest = ["  ... and perhaps more"] if len(unusable) >= UNUSABLE_SHOWN else []
    return "\n".join([f"{len(unusable)} pictures can't be used:", *(f"  {reason}" for reason in shown), *rest])


def _square_or_reason(path: Path, side: int) -> Image8 | str:
    """The face, or why it can't be used."""
    try:
        return _square(path, side)
    except DataError as error:
        return str(error)


def _square(path: Path, side: int) -> Image8:
    face = read_image(path)
    height, width = face.shape[:2]
    if not side:
        if height != width:
            raise DataError(f"{path}: {width}x{height} px is not a square; {OTHER_SHAPES}")
        return face
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    face = face[top : top + edge, left : left + edge]
    if edge == side:
        return face
    return resize(face, (side, side))


def to_tensor(images: list[Image8]) -> Tensor:
    """Bx3xHxW in [-1, 1], channels-last."""
    pixels = np.stack(images).astype(np.float32)
    return torch.from_numpy(pixels / 127.5 - 1.0).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Sampler:
    """The samples of each step. A step's are the same however often training was stopped before it.

    Within an epoch no face comes twice; what is left over when the batches are full waits for another epoch.

    Attributes:
        degrade: how LR is made.
        native: the input is LR at its own size, not enlarged to HR's.
    """

    faces: Faces
    settings: CropSettings | FaceSettings
    batch_size: int
    seed: int
    degrade: DegradationBase
    native: bool = False

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches that the faces to train on make."""
        return len(self.faces.train) // self.batch_size

    def batch(self, step: int, rank: int = 0, world: int = 1) -> Batch:
        """This process' share of the batch of `step` (counted from 0): every `world`-th sample from `rank` on."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, 1, epoch]).permutation(len(self.faces.train))
        chosen = order[position * self.batch_size : (position + 1) * self.batch_size]
        rng = np.random.default_rng([self.seed, 2, step])
        # Drawn for all samples, made for ours: the share of a process does not change what a sample is.
        plans = [self._plan(self.faces.train[k], step, i, rng) for i, k in enumerate(chosen)]
        pairs = [plan() for plan in plans[rank::world]]
        return to_tensor([lr for lr, _ in pairs]), to_tensor([hr for _, hr in pairs])

    def _plan(self, index: int, step: int, place: int, rng: np.random.Generator) -> Callable[[], Pair]:
        side, settings = self.faces.side, self.settings
        own = _seed(self.seed, 3, step, place)
        if isinstance(settings, FaceSettings):
            flip, grey = rng.random() < settings.flip, rng.random() < settings.grey
            return lambda: self._pair(index, own, flip=flip, grey=grey)
        edge = int(rng.integers(round(side * settings.smallest_crop), side + 1))
        left, top = (int(rng.integers(0, side - edge + 1)) for _ in range(2))
        flip = rng.random() < settings.flip
        return lambda: self._pair(index, own, (left, top, left + edge, top + edge), flip=flip)

    def validation(self) -> Batch:
        """The held-out faces: whole, not flipped, with degradations that never change."""
        pairs = [self._pair(index, _seed(4, k)) for k, index in enumerate(self.faces.held_out)]
        return to_tensor([lr for lr, _ in pairs]), to_tensor([hr for _, hr in pairs])

    def _pair(
        self,
        index: int,
        seed: int,
        box: tuple[int, int, int, int] | None = None,
        *,
        flip: bool = False,
        grey: bool = False,
    ) -> Pair:
        """One sample.

        Args:
            seed: what the degradation draws from.
            box: left, top, right, bottom of the part to take, px; None: the whole face.
        """
        side = self.settings.image_size
        hr = resize(self.faces.pixels[index], (side, side), box)
        if flip:
            hr = np.ascontiguousarray(hr[:, ::-1])
        if grey:
            hr = np.asarray(Image.fromarray(hr).convert("L").convert("RGB"))
        lr, _ = degradation.apply(self.degrade, hr, seed)
        return (lr if self.native else resize(lr, (side, side))), hr


Pair: TypeAlias = tuple[Image8, Image8]
"""(input, target)"""


def _seed(*numbers: int) -> int:
    """One seed, 0..2**64 - 1, out of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers() -> int:
    """Threads that prepare samples: half the processors, 8 at most."""
    return max(1, min(8, processors() // 2))


@contextmanager
def prefetch(make: Callable[[int], Batch], start: int, stop: int | None, workers: int) -> Iterator[Callable[[], Batch]]:
    """Batches of the steps `start`, `start + 1`, ... below `stop`, made ahead by `workers` threads.

    Yields:
        A function that returns the next batch; one more than there are workers lie ready or in the making.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="samples")
    ahead: list[Future[Batch]] = []
    following = start

    def fill() -> None:
        nonlocal following
        while len(ahead) <= workers and (stop is None or following < stop):
            ahead.append(pool.submit(make, following))
            following += 1

    def take() -> Batch:
        fill()
        batch = ahead.pop(0).result()
        fill()
        return batch

    try:
        yield take
    finally:
        pool.shutdown(cancel_futures=True)
