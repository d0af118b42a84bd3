"""Networks of aligned faces, each called as its authors call it, which is not how spandrel does.

All three were trained on 512 px and [-1, 1]. spandrel 0.4 feeds GFPGAN and CodeFormer [0, 1] and pads smaller pictures;
the authors resize them to 512 px by OpenCV's bilinear (inference_gfpgan.py, inference_codeformer.py, GFPGANer.enhance).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from facesr_bench.base.errors import MethodError

SIDE = 512
DEFAULT_FIDELITY = 0.5
"""CodeFormer's w: what its README says to use for papers."""


@dataclass(frozen=True)
class FaceNetwork:
    """One architecture of aligned faces.

    Attributes:
        keys: tensors that its checkpoints have, and no other architecture's.
        call: the network, a picture in [-1, 1], and the fidelity -> a picture in [-1, 1].
        random: it draws noise at every call.
        fidelity: it has such a weight.
    """

    name: str
    keys: tuple[str, ...]
    call: Callable[[Any, Tensor, float], Tensor]
    random: bool = False
    fidelity: bool = False


FACE_NETWORKS = (
    FaceNetwork(
        "GFPGAN",
        ("toRGB.0.weight", "stylegan_decoder.style_mlp.1.weight"),
        lambda network, x, _w: network(x, return_rgb=False)[0],
        random=True,
    ),
    FaceNetwork(
        "CodeFormer",
        ("position_emb", "idx_pred_layer.1.weight", "encoder.blocks.0.weight"),
        lambda network, x, w: network(x, weight=w)[0],
        fidelity=True,
    ),
    FaceNetwork(
        "RestoreFormer",
        ("quantize.embedding.weight", "encoder.conv_in.weight", "quant_conv.weight", "decoder.conv_out.weight"),
        lambda network, x, _w: network(x)[0],
    ),
)


def face_network(keys: Collection[str]) -> FaceNetwork | None:
    """The one whose tensors these are; None for a network of any pictures."""
    return next((known for known in FACE_NETWORKS if all(key in keys for key in known.keys)), None)


def called(face: FaceNetwork, network: Any, picture: Tensor, fidelity: float, dtype: torch.dtype) -> Tensor:
    """What a face network makes of 1x3xhxw in [0, 1], which is resized to 512 px first: 1x3x512x512, clipped.

    Raises:
        MethodError: the picture is not square, so it is no aligned face.
    """
    x = ((at_512(picture) - 0.5) / 0.5).to(dtype).contiguous()
    y: Tensor = face.call(network, x, fidelity)
    return ((y.float().clamp(-1, 1) + 1) / 2).contiguous()


def at_512(picture: Tensor) -> Tensor:
    """1x3xhxw in [0, 1], in 8 bits, at 512 px by OpenCV's bilinear, as the authors resize an aligned face."""
    height, width = picture.shape[-2:]
    if height != width:
        raise MethodError(f"an aligned face is square, and this picture is {width}x{height}")
    if height == SIDE:
        return picture
    pixels = (picture[0] * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    large = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    made = torch.from_numpy(np.ascontiguousarray(large.transpose(2, 0, 1))).float() / 255
    return made[None].to(picture.device)
