"""SPARNet's network: an encoder, a body and a decoder of Face Attention Units.

Written from the description of Chen et al., "Learning Spatial Attention for Face Super-Resolution", IEEE TIP 2021
(https://arxiv.org/abs/2012.01211). Module names follow the state dict of the authors' release, so that their
checkpoints load strictly; `tests/unit/methods/test_sparnet_network.py` proves that the function is theirs too.

This module needs torch alone: it also runs on a bare training machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import remove_spectral_norm, spectral_norm
from torch.nn.utils.fusion import fuse_conv_bn_weights

NORMS = ("bn", "in")
ATTENTIONS = ("spar", "spar3d")


@dataclass(frozen=True)
class SPARNetConfig:
    """The shape of one network.

    Attributes:
        min_ch: smallest number of channels of a unit.
        max_ch: largest number of channels of a unit.
        in_size: side of the (already upsampled) input, pixels.
        out_size: side of the output, pixels.
        min_feat_size: side of the smallest feature map, pixels.
        res_depth: units in the body, before those that replace missing down-steps.
        norm_type: `bn` (batch norm) or `in` (affine instance norm).
        att_name: `spar` (one attention map per unit) or `spar3d` (one per channel).
        spectral: spectral norm on every convolution.
    """

    min_ch: int = 32
    max_ch: int = 128
    in_size: int = 128
    out_size: int = 128
    min_feat_size: int = 16
    res_depth: int = 10
    norm_type: str = "bn"
    att_name: str = "spar"
    spectral: bool = False

    def __post_init__(self) -> None:
        if self.norm_type not in NORMS:
            raise ValueError(f"norm_type is {self.norm_type!r}; it must be one of {', '.join(NORMS)}")
        if self.att_name not in ATTENTIONS:
            raise ValueError(f"att_name is {self.att_name!r}; it must be one of {', '.join(ATTENTIONS)}")
        for name in ("in_size", "out_size"):
            steps = log2(getattr(self, name) / self.min_feat_size)
            if steps < 0 or steps != int(steps):
                raise ValueError(f"{name} must be min_feat_size ({self.min_feat_size}) times a power of two")

    @property
    def down_steps(self) -> int:
        return int(log2(self.in_size / self.min_feat_size))

    @property
    def up_steps(self) -> int:
        return int(log2(self.out_size / self.min_feat_size))

    def clip(self, channels: int) -> int:
        return max(self.min_ch, min(self.max_ch, channels))


class Norm(nn.Module):
    """Batch or affine instance normalisation, under the name the released state dicts use (`*.norm.norm`)."""

    def __init__(self, channels: int, norm_type: str) -> None:
        super().__init__()
        self.norm: nn.Module = (
            nn.BatchNorm2d(channels) if norm_type == "bn" else nn.InstanceNorm2d(channels, affine=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        normalised: Tensor = self.norm(x)
        return normalised


def _activation() -> nn.LeakyReLU:
    return nn.LeakyReLU(0.2, inplace=True)


class ConvLayer(nn.Module):
    """(nearest x2) -> reflection pad -> 3x3 convolution (stride 2 when down) -> norm -> activation.

    The convolution has a bias only where no norm follows.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        config: SPARNetConfig,
        *,
        scale: str = "none",
        norm: bool = False,
        act: bool = False,
    ) -> None:
        super().__init__()
        self.up = scale == "up"
        # Reflection padding is done by the convolution itself: the same numbers with one copy less.
        conv = nn.Conv2d(
            c_in,
            c_out,
            3,
            stride=2 if scale == "down" else 1,
            padding=1,
            padding_mode="reflect",
            bias=not norm,
        )
        self.conv2d: nn.Module = spectral_norm(conv) if config.spectral else conv
        self.norm: nn.Module = Norm(c_out, config.norm_type) if norm else nn.Identity()
        self.relu: nn.Module = _activation() if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        if self.up:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        y: Tensor = self.relu(self.norm(self.conv2d(x)))
        return y

    def fold(self) -> None:
        """Fold spectral norm and batch norm into the convolution, in place, for evaluation."""
        conv = self.conv2d
        assert isinstance(conv, nn.Conv2d)
        if hasattr(conv, "weight_orig"):
            remove_spectral_norm(conv)
        norm = self.norm.norm if isinstance(self.norm, Norm) else None
        if isinstance(norm, nn.BatchNorm2d):
            mean, variance = norm.running_mean, norm.running_var
            assert mean is not None and variance is not None
            fused = fuse_conv_bn_weights(conv.weight, conv.bias, mean, variance, norm.eps, norm.weight, norm.bias)
            conv.weight, conv.bias = fused
            self.norm = nn.Identity()


class Hourglass(nn.Module):
    """The attention branch: `depth` levels down and up with skips, then a sigmoid.

    Maps BxCxHxW to Bx1xHxW (`spar`) or BxCxHxW (`spar3d`), values in (0, 1).
    """

    INNER_CHANNELS = 64

    def __init__(self, channels: int, depth: int, config: SPARNetConfig) -> None:
        super().__init__()
        self.depth = depth
        inner = self.INNER_CHANNELS
        for level in range(depth, 0, -1):
            c_in = channels if level == depth else inner
            self.add_module(f"b1_{level}", ConvLayer(c_in, inner, config, norm=True, act=True))
            self.add_module(f"b2_{level}", ConvLayer(c_in, inner, config, scale="down", norm=True, act=True))
        self.b2_plus_1 = ConvLayer(inner, inner, config, norm=True, act=True)
        for level in range(1, depth + 1):
            self.add_module(f"b3_{level}", ConvLayer(inner, inner, config, scale="up", norm=True, act=True))
        c_out = channels if config.att_name == "spar3d" else 1
        self.out_block = nn.Sequential(ConvLayer(inner, c_out, config), nn.Sigmoid())

    def _level(self, level: int, x: Tensor) -> Tensor:
        skip: Tensor = self.get_submodule(f"b1_{level}")(x)
        low: Tensor = self.get_submodule(f"b2_{level}")(x)
        low = self._level(level - 1, low) if level > 1 else self.b2_plus_1(low)
        low = self.get_submodule(f"b3_{level}")(low)
        if low.shape[-2:] != skip.shape[-2:]:
            low = functional.interpolate(low, size=skip.shape[-2:], mode="nearest")
        return skip + low

    def forward(self, x: Tensor) -> Tensor:
        mask: Tensor = self.out_block(self._level(self.depth, x))
        return mask


class FaceAttentionUnit(nn.Module):
    """A pre-activation residual block whose main branch is multiplied by an attention map.

    Args:
        c_in: channels of the input.
        c_out: channels of the output.
        scale: `none`, `down` (half the size) or `up` (twice the size).
        depth: levels of the attention hourglass; 0 for none.
    """

    def __init__(self, c_in: int, c_out: int, config: SPARNetConfig, *, scale: str = "none", depth: int = 0) -> None:
        super().__init__()
        plain = scale == "none" and c_in == c_out
        self.shortcut_func: nn.Module = nn.Identity() if plain else ConvLayer(c_in, c_out, config, scale=scale)
        # Not in place: the shortcut reads the same input.
        self.preact_func = nn.Sequential(Norm(c_in, config.norm_type), nn.LeakyReLU(0.2))
        up = "up" if scale == "up" else "none"
        down = "down" if scale == "down" else "none"
        self.conv1 = ConvLayer(c_in, c_out, config, scale=up, norm=True, act=True)
        self.conv2 = ConvLayer(c_out, c_out, config, scale=down, norm=True)
        self.att_func: Hourglass | None = Hourglass(c_out, depth, config) if depth > 0 else None

    def forward_with_mask(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The unit's output and its attention map (None at depth 0)."""
        shortcut: Tensor = self.shortcut_func(x)
        main: Tensor = self.conv2(self.conv1(self.preact_func(x)))
        if self.att_func is None:
            return shortcut + main, None
        mask: Tensor = self.att_func(main)
        return torch.addcmul(shortcut, main, mask), mask

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_with_mask(x)[0]


class SPARNet(nn.Module):
    """Maps Bx3xHxW in [-1, 1] (LR already upsampled to the output size) to Bx3xHxW, about [-1, 1] and not clipped."""

    FIRST_DEPTH = 4
    """Hourglass depth of the first unit; each half-size unit has one level less, so the bottleneck keeps its size."""

    def __init__(self, config: SPARNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SPARNetConfig()
        # Doubled and halved without bound; clipped only where a layer is built.
        width = config.clip(config.max_ch // (config.down_steps + 1))
        depth = self.FIRST_DEPTH + 1
        channels = width

        encoder: list[nn.Module] = [ConvLayer(3, channels, config)]
        for _ in range(config.down_steps):
            width, depth = width * 2, depth - 1
            c_in, channels = channels, config.clip(width)
            encoder.append(FaceAttentionUnit(c_in, channels, config, scale="down", depth=depth))
        self.encoder = nn.ModuleList(encoder)
        self.res_layers = nn.ModuleList(
            FaceAttentionUnit(channels, channels, config, depth=depth)
            for _ in range(config.res_depth + 3 - config.down_steps)
        )
        decoder: list[nn.Module] = []
        for _ in range(config.up_steps):
            width, depth = width // 2, depth + 1
            c_in, channels = channels, config.clip(width)
            decoder.append(FaceAttentionUnit(c_in, channels, config, scale="up", depth=depth))
        self.decoder = nn.ModuleList(decoder)
        self.out_conv = ConvLayer(channels, 3, config)

    def forward_with_attention(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Output, and the attention map of every unit in forward order (each Bx1xhxw or BxCxhxw in (0, 1))."""
        masks: list[Tensor] = []
        for block in (*self.encoder, *self.res_layers, *self.decoder):
            if isinstance(block, FaceAttentionUnit):
                x, mask = block.forward_with_mask(x)
                if mask is not None:
                    masks.append(mask)
            else:
                x = block(x)
        return self.out_conv(x), masks

    def forward(self, x: Tensor) -> Tensor:
        for block in (*self.encoder, *self.res_layers, *self.decoder):
            x = block(x)
        y: Tensor = self.out_conv(x)
        return y

    def for_inference(self) -> SPARNet:
        """Itself, turned for good into one that computes the same function faster: in evaluation mode, norms folded
        into the convolutions where they follow one, spectral norm divided out once, channels last in memory.

        Its state dict is no longer that of a checkpoint.
        """
        self.eval().requires_grad_(False)
        for module in self.modules():
            if isinstance(module, ConvLayer):
                module.fold()
        return self.to(memory_format=torch.channels_last)
