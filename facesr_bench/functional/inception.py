"""Inception features for FID and KID: pytorch-fid's network, under the three resizers that codebases disagree about.

The network is the 2015 Inception v3 that the first FID code ran in TensorFlow, as ported by pytorch-fid
(`pytorch_fid/inception.py`): torchvision's Inception v3 with 1008 classes, whose average pools leave the padding out,
and whose last block pools by maximum. Its weights are `pt_inception-2015-12-05-6726825d.pth`; the feature is the
2048-vector after the last average pool. Codebases use these weights, or another port of the same network; what they
differ in is how an image gets to 299 px:

- `pytorch-fid`: levels / 255, bilinear without antialiasing (half-pixel centres), then 2 x - 1. BasicSR and VQFR, which
  go to [-1, 1] first, are the same function, but for rounding.
- `clean`: clean-fid's, and pyiqa's default: Pillow's antialiased bicubic on each channel in float32, clipped to
  0..255, never rounded; then (x - 128) / 128. (Parmar et al., "On Aliased Resizing and Surprising Subtleties in GAN
  Evaluation", 2022.)
- `torch-fidelity`: what `tf.image.resize_bilinear` did inside the original TensorFlow 1.x graph: no antialiasing, and
  output pixel i reads input place i * in / out, without the half-pixel shift; then (x - 128) / 128.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.base.suggest import unknown
from facesr_bench.functional.channels import check_image
from facesr_bench.images.files import Image8
from facesr_bench.weights import add_batch_counts, load_tensors, read_state_dict, write_random

if TYPE_CHECKING:
    from torch import Tensor

Resizer = Literal["pytorch-fid", "clean", "torch-fidelity"]
SIDE = 299
WIDTH = 2048


class Inception:
    """The FID network with its weights, in eval mode; safe to call from several threads.

    Args:
        weights: `pt_inception-2015-12-05-6726825d.pth`, or another state dict of the same network.
        device: a torch device (`cpu`, `cuda`, `cuda:1`).

    Raises:
        WeightsError: unreadable, or weights of another network.
    """

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        from facesr_bench.functional.inception_network import blank, quickened

        network, tensors = blank(), read_state_dict(weights)
        add_batch_counts(network, tensors)
        load_tensors(network, tensors, weights, "FID's Inception v3")
        self._network = quickened(network, device)
        self.device = device

    def features(self, images: Sequence[Image8], resizer: Resizer, batch_size: int = 1) -> NDArray[np.float32]:
        """Nx2048: the features of each image.

        Args:
            images: HxWx3 uint8 RGB each; they may differ in size.
            resizer: how they get to 299 px.
            batch_size: how many go through the network at once. It changes a feature by rounding alone (about 1e-6 of
                its size); with 1, a feature depends on its own image and on nothing else.

        Raises:
            MetricError: an image that is not a uint8 HxWx3 picture, or an unknown resizer.
        """
        import torch

        found = np.empty((len(images), WIDTH), np.float32)
        with torch.inference_mode():
            for start in range(0, len(images), batch_size):
                batch = torch.stack([preprocess(image, resizer) for image in images[start : start + batch_size]])
                batch = batch.to(self.device, memory_format=torch.channels_last)
                found[start : start + batch_size] = self._network(batch).cpu().numpy()
        return found


def write_random_weights(path: Path) -> Path:
    """A file for `Inception` with random weights, which tells pictures apart but not faces from others.

    Returns:
        `path`.
    """
    from facesr_bench.functional.inception_network import blank

    return write_random(blank(), path)


def preprocess(image: Image8, resizer: Resizer) -> Tensor:
    """The network's input for one HxWx3 uint8 image: 3x299x299 float32, about -1..1, on the CPU.

    Raises:
        MetricError: not a uint8 HxWx3 picture, or an unknown resizer.
    """
    if resizer not in get_args(Resizer):
        raise MetricError(unknown("FID resizer", resizer, get_args(Resizer)))
    check_image(image, "an image for Inception")
    if resizer == "pytorch-fid":
        return _torch_bilinear(image)
    resized = _pillow_bicubic(image) if resizer == "clean" else _tensorflow1_bilinear(image)
    return (resized - 128) / 128


def _torch_bilinear(image: Image8) -> Tensor:
    from torch.nn import functional

    levels = _channels_first(image)[None] / 255
    resized = functional.interpolate(levels, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    return 2 * resized[0] - 1


def _pillow_bicubic(image: Image8) -> Tensor:
    import torch
    from PIL import Image

    planes = [
        Image.fromarray(np.ascontiguousarray(image[:, :, channel], np.float32)).resize(
            (SIDE, SIDE), Image.Resampling.BICUBIC
        )
        for channel in range(3)
    ]
    return torch.from_numpy(np.stack([np.asarray(plane) for plane in planes])).clamp(0, 255)


def _tensorflow1_bilinear(image: Image8) -> Tensor:
    """3x299x299 levels. Across, then down, as TensorFlow's kernel did: the order decides the last bit."""
    levels = _channels_first(image)
    for axis in (2, 1):
        levels = _interpolate_along(levels, axis)
    return levels


def _interpolate_along(levels: Tensor, axis: int) -> Tensor:
    import torch

    size = levels.shape[axis]
    place = torch.arange(SIDE, dtype=torch.float32) * torch.tensor(size / SIDE, dtype=torch.float32)
    low = place.long().clamp_max(size - 1)
    high = (low + 1).clamp_max(size - 1)
    shape = [1, 1, 1]
    shape[axis] = SIDE
    before, after = levels.index_select(axis, low), levels.index_select(axis, high)
    return before + (after - before) * (place - low).view(shape)


def _channels_first(image: Image8) -> Tensor:
    import torch

    # A copy: pictures are read-only, and torch warns of arrays that it could write to and must not.
    return torch.from_numpy(np.array(image.transpose(2, 0, 1), order="C")).float()
