"""The contract of a metric: finished uint8 images in, numbers out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from facesr_bench.cards import MetricCard
from facesr_bench.images import Image8
from facesr_bench.metrics.profiles import Profile


class MetricBase(ABC):
    """Base of every metric's class `Metric`: one object per (metric, profile, scale), called from several threads.

    Args:
        card: the metric's card.
        profile: the convention to compute it under.
        scale: HR side over LR side; some profiles cut a border that wide.
    """

    def __init__(self, card: MetricCard, profile: Profile, scale: int) -> None:
        self.card = card
        self.profile = profile
        self.scale = scale

    def prepare(self, hr: Image8) -> Any:
        """What depends on the ground truth alone; computed once per image and handed to `per_image` of every method."""
        return hr

    @abstractmethod
    def per_image(self, sr: Image8, reference: Any) -> float:
        """The value for one image.

        Args:
            sr: HxWx3 uint8, the image as it would be saved under the profile.
            reference: what `prepare` returned for its ground truth.

        Returns:
            A float, infinite where the definition says so, never NaN.

        Raises:
            MetricError: it can't be computed on this image; the message is shown in place of the number.
        """
