"""Multi-scale patch discriminators (Wang et al., CVPR 2018) with spectral norm (Miyato et al., ICLR 2018)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import spectral_norm

MAX_CHANNELS = 512
KERNEL = 4


def _layer(c_in: int, c_out: int, stride: int, *, norm: bool) -> nn.Sequential:
    conv = nn.Conv2d(c_in, c_out, KERNEL, stride, padding=KERNEL // 2, bias=not norm)
    parts: list[nn.Module] = [spectral_norm(conv)]
    if norm:
        parts.append(nn.InstanceNorm2d(c_out))
    return nn.Sequential(*parts, nn.LeakyReLU(0.2))


class PatchDiscriminator(nn.Module):
    """`layers` convolutions of stride 2, one of stride 1, and one to a map of logits.

    Channels double from layer to layer up to 512; instance norm everywhere but in the first and the last.
    """

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        width = channels
        stack = [_layer(3, width, 2, norm=False)]
        for i in range(layers):
            c_in, width = width, min(2 * width, MAX_CHANNELS)
            stack.append(_layer(c_in, width, 2 if i < layers - 1 else 1, norm=True))
        self.layers = nn.ModuleList(stack)
        self.last = spectral_norm(nn.Conv2d(width, 1, KERNEL, padding=KERNEL // 2))

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return features, self.last(x)


class MultiScaleDiscriminator(nn.Module):
    """Patch discriminators of the image and of its halves.

    Maps Bx3xHxW in [-1, 1] to, per discriminator, (features of its layers, logits), in float32.
    """

    def __init__(self, scales: int = 3, channels: int = 64, layers: int = 4) -> None:
        super().__init__()
        self.scales = nn.ModuleList(PatchDiscriminator(channels, layers) for _ in range(scales))

    def forward(self, x: Tensor) -> list[tuple[list[Tensor], Tensor]]:
        found = []
        for i, discriminator in enumerate(self.scales):
            if i:
                x = functional.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            features, logits = discriminator(x)
            found.append(([f.float() for f in features], logits.float()))
        return found
