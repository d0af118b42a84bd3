"""From a dataset's pictures to the samples that every method gets: crop, resize, degrade, check."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import DataError
from facesr_bench.base.stages import stage
from facesr_bench.data import crops, degradation
from facesr_bench.images.files import Image8
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.dataset import Picture
from facesr_bench.plugins.degradation import DegradationBase
from facesr_bench.plugins.sample import Sample


def prepare(sample_id: str, picture: Picture, protocol: ProtocolCard, degrade: DegradationBase | None = None) -> Sample:
    """Apply a protocol to one picture; the result depends on the arguments alone.

    Args:
        degrade: the protocol's degradation, where it has one.

    Raises:
        DataError: sizes don't fit the protocol, or the dataset made something else than HxWx3 uint8; says
            what was found. The sample is named by who reports it.
    """
    _check_pixels("HR", picture.hr)
    _check_pixels("LR", picture.lr)
    if picture.identity is not None and not isinstance(picture.identity, str):
        raise DataError(f"its identity is {picture.identity!r}; a text or None is expected")
    hr, landmarks, enlarged = picture.hr, picture.landmarks, None
    if protocol.source == "lr":
        hr, landmarks = None, _at_scale(picture.lr_points, protocol.scale)
    elif hr is None:
        raise DataError(f"protocol {protocol.name} needs an HR image")
    else:
        with stage("crop"):
            hr, landmarks, enlarged = crops.apply(hr, landmarks, picture.box, protocol)
    drawn = None
    if protocol.source == "hr":
        assert hr is not None and degrade is not None  # the card's validator, and the caller, have seen to it
        height, width = hr.shape[:2]
        if height % protocol.scale or width % protocol.scale:
            raise DataError(
                f"HR is {width}x{height}, not a multiple of scale {protocol.scale}; "
                "crop it, or choose a protocol that does"
            )
        with stage("degrade"):
            lr, drawn = degradation.apply(degrade, hr, degradation.seed_of(protocol.name, sample_id))
        _check_drawn(drawn)
    elif picture.lr is None:
        raise DataError(f"protocol {protocol.name} needs an LR image")
    else:
        lr = picture.lr
    _check_sizes(lr, hr, protocol)
    return Sample(sample_id, lr, hr, landmarks, picture.identity, protocol.aligned, drawn, enlarged=enlarged)


def _at_scale(points: NDArray[np.float64] | None, scale: int) -> NDArray[np.float64] | None:
    """Points of the LR picture, in px of one that many times larger: the centre of its top-left pixel is at (0, 0)."""
    return None if points is None else (points + 0.5) * scale - 0.5


def _check_drawn(drawn: Any) -> None:
    """What was drawn is kept with the sample, as JSON."""
    try:
        kept = json.loads(json.dumps(drawn, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise DataError(f"what its degradation drew can't be written as JSON: {error}") from error
    if not isinstance(kept, dict):
        raise DataError(f"its degradation returned {type(drawn).__name__} for what was drawn, not a dict")


def _check_pixels(what: str, image: Any) -> None:
    if image is None:
        return
    is_array = isinstance(image, np.ndarray)
    if not is_array or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        found = f"{'x'.join(map(str, image.shape))} {image.dtype}" if is_array else type(image).__name__
        raise DataError(f"its {what} image is {found}; expected HxWx3 uint8")


def _check_sizes(lr: Image8, hr: Image8 | None, protocol: ProtocolCard) -> None:
    height, width = lr.shape[:2]
    if protocol.lr_size is not None and (height, width) != (protocol.lr_size, protocol.lr_size):
        side = protocol.lr_size
        raise DataError(f"LR is {width}x{height}; protocol {protocol.name} wants {side}x{side}")
    if hr is not None and hr.shape[:2] != (height * protocol.scale, width * protocol.scale):
        raise DataError(
            f"HR is {hr.shape[1]}x{hr.shape[0]} and LR {width}x{height}; at scale {protocol.scale} "
            f"HR must be {width * protocol.scale}x{height * protocol.scale}"
        )
