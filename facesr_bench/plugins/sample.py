"""One image of a protocol, as methods and metrics see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from typing import Protocol as TypingProtocol

import numpy as np
from numpy.typing import NDArray

from facesr_bench.images.files import Image8, read_only


class Keep(TypingProtocol):
    """Where arrays are kept between runs."""

    def __call__(
        self, name: str, image_id: str, compute: Callable[[], NDArray[Any]], limit: int | None = None
    ) -> NDArray[Any]:
        """As `Sample.once`, for the sample of that id."""


@dataclass(frozen=True)
class Sample:
    """One image of a protocol, ready for every method and metric; all of them share its arrays, so these are read-only.

    Attributes:
        id: names the image in results.
        lr: hxwx3 uint8, native low resolution.
        hr: HxWx3 uint8, or None for data without ground truth.
        landmarks: Nx2 float64, x then y in px of `hr` (without one: of LR at HR's size), or None.
        identity: the person it shows, or None.
        degradation: what was drawn to make `lr` of `hr`, in types that JSON has; None where it was not made here.
        aligned: `ffhq` where the face lies as in FFHQ (the protocol says so).
        enlarged: by which factor its face was enlarged to be HR, where the protocol's card allows it; or None.
        keep: where arrays that depend on this sample alone are kept between runs, or None.
    """

    id: str
    lr: Image8
    hr: Image8 | None = None
    landmarks: NDArray[np.float64] | None = None
    identity: str | None = None
    aligned: Literal["none", "ffhq"] = "none"
    degradation: dict[str, Any] | None = None
    keep: Keep | None = None
    enlarged: float | None = None

    def __post_init__(self) -> None:
        for name in ("lr", "hr", "landmarks"):
            if (array := getattr(self, name)) is not None:
                object.__setattr__(self, name, read_only(array))

    def once(self, name: str, compute: Callable[[], NDArray[Any]], limit: int | None = None) -> NDArray[Any]:
        """What `compute` returns, computed once for this sample and kept on disk where there is a place for it.

        Args:
            name: what it is, with everything that could change it but the sample: `identity-w600k-r50-1a2b3c4d`.
            limit: bytes on disk for all arrays of this name; what does not fit is computed in each run.
        """
        return compute() if self.keep is None else self.keep(name, self.id, compute, limit)
