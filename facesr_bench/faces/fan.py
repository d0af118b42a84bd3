"""face-alignment's 2DFAN4, from a local file: no detector, no download."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.faces.landmarks import Box, check_box
from facesr_bench.faces.points import Points, check_points
from facesr_bench.weights import load_strictly, write_random

if TYPE_CHECKING:
    from torch import Tensor

CROP_SIDE = 256
HEATMAP_SIDE = 64
REFERENCE_SCALE = 195
CENTRE_UP = 0.12

Decoding = Literal["face-alignment", "exact"]


class FanLandmarks:
    """The four-stack Face Alignment Network of Bulat and Tzimiropoulos (ICCV 2017); a LandmarkDetector.

    The crop, the test-time mirroring and the decoding of the heatmaps are the face-alignment package's.

    Args:
        path: 2DFAN4 as face-alignment publishes it: a state dict (2DFAN4-11f355bf06.pth.tar, from version 1.5 on) or
            TorchScript (2DFAN4-cd938726ad.zip and its like, before). TorchScript is a program rather than numbers:
            give only files whose hash is known.
        decoding: `face-alignment`: coordinates cut off to whole px, as the package returns them. `exact`: the same
            places before they are cut off, carried back through the crop's own whole-pixel frame. Cutting off
            alone moves a point by up to a pixel each way, which shows on small faces.
        mirror: average the heatmaps of the picture and its mirror image, the package's default.
        device: a torch device (`cpu`, `cuda`, `cuda:1`).

    Raises:
        WeightsError: no such file, or not a 2DFAN4.
    """

    def __init__(
        self, path: Path, *, decoding: Decoding = "face-alignment", mirror: bool = True, device: str = "cpu"
    ) -> None:
        if not path.is_file():
            raise WeightsError(f"{path}: no such file; it should be face-alignment's 2DFAN4")
        self.decoding = decoding
        self.mirror = mirror
        self.device = device
        self._network: Any = _load(path).to(device)

    @property
    def name(self) -> str:
        """What manifests and columns call it."""
        return "2dfan4"

    def box(self, landmarks: NDArray[Any]) -> Box:
        """The landmarks' own bounding box, as the network was trained with; it widens it itself."""
        points = check_points(landmarks, "landmarks", (68,)) + 0.5
        low, high = points.min(axis=0), points.max(axis=0)
        if not (high > low).all():
            raise MetricError("the landmarks all lie on one line, so there is no box around them")
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def detect(self, image: NDArray[np.uint8], box: Box) -> Points:
        """68x2 float64, x then y, px of the picture."""
        import torch
        from face_alignment import utils

        check_box(image, box)
        left, top, right, bottom = box
        centre = np.array([right - (right - left) / 2.0, bottom - (bottom - top) / 2.0])
        centre[1] -= (bottom - top) * CENTRE_UP
        scale = (right - left + bottom - top) / REFERENCE_SCALE
        # The package's crop is in whole pixels of the picture: this is its first one, and one past its last.
        first = utils.transform([1, 1], centre, scale, CROP_SIDE, True).numpy()
        past = utils.transform([CROP_SIDE, CROP_SIDE], centre, scale, CROP_SIDE, True).numpy()
        if (past - first < 1).any():
            raise MetricError("the face's box is smaller than a pixel")
        if (past <= 0).any() or (first >= image.shape[1::-1]).any():
            raise MetricError("the face's box is so small and so near the edge that its crop lies beside the picture")
        crop = utils.crop(image, centre, scale).transpose(2, 0, 1).astype(np.float32) / 255.0
        inputs = torch.from_numpy(crop)[None].to(self.device)
        with torch.inference_mode():
            heatmaps = self._heatmaps(inputs)
            if self.mirror:
                heatmaps = heatmaps + utils.flip(self._heatmaps(utils.flip(inputs)), is_label=True)
        maps = heatmaps.cpu().numpy()
        if not np.isfinite(maps).all():
            raise MetricError("2DFAN4 gave NaN or infinity")
        in_heatmap, in_image, _ = utils.get_preds_fromhm(maps, centre, scale)
        if self.decoding == "face-alignment":
            return np.asarray(in_image[0], np.float64)
        span = (past - first).astype(np.float64)
        return np.asarray(first + in_heatmap[0].astype(np.float64) / HEATMAP_SIDE * span - 0.5)

    def _heatmaps(self, inputs: Tensor) -> Tensor:
        output = self._network(inputs)
        last: Tensor = output[-1] if isinstance(output, list | tuple) else output
        expected = (1, 68, HEATMAP_SIDE, HEATMAP_SIDE)
        if tuple(last.shape) != expected:
            raise MetricError(f"2DFAN4 gave heatmaps of shape {tuple(last.shape)}; expected {expected}")
        return last


def write_random_weights(path: Path) -> Path | None:
    """A state dict of 2DFAN4 with random weights; None where face-alignment does not bring the network.

    Returns:
        `path`.
    """
    try:
        from face_alignment.models import FAN
    except ImportError:
        return None
    return write_random(FAN(4), path)


def _load(path: Path) -> Any:
    import torch

    if _is_torchscript(path):
        try:
            network: Any = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            raise WeightsError(f"{path}: not a TorchScript network, or damaged: {error}") from error
        return network.eval()
    try:
        from face_alignment.models import FAN
    except ImportError as error:
        raise WeightsError(
            f"{path}: a state dict of 2DFAN4 needs face-alignment 1.5 or newer, which has the network; "
            "install that, or give 2DFAN4-cd938726ad.zip, which brings its own"
        ) from error
    plain = FAN(4)
    load_strictly(plain, path, "2DFAN4")
    return plain.eval()


def _is_torchscript(path: Path) -> bool:
    """PyTorch's checkpoints are zip archives too; only TorchScript has a table of constants."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())
