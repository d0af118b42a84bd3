"""The contract of a metric: finished uint8 images in, numbers out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from facesr_bench.cards import MetricCard
from facesr_bench.images import Image8
from facesr_bench.metrics.profiles import Profile

if TYPE_CHECKING:
    from facesr_bench.protocol import Sample
    from facesr_bench.weights.for_metrics import MetricWeights


class MetricBase(ABC):
    """Base of every metric's class `Metric`: one object per (metric, profile, scale), called from several threads.

    Args:
        card: the metric's card.
        profile: the convention to compute it under.
        scale: HR side over LR side; some profiles cut a border that wide.

    Attributes:
        key: what its column is called: the name, and its network where that is not the default.
        weights: the network's verified file, for metrics that have one.
        unavailable: why it can't be computed here at all (a file that is missing, say), or none.
    """

    def __init__(self, card: MetricCard, profile: Profile, scale: int) -> None:
        self.card = card
        self.profile = profile
        self.scale = scale
        self.key: str = card.name
        self.weights: MetricWeights | None = None
        self.unavailable: str | None = None

    def load(self) -> None:  # noqa: B027  (most metrics have nothing to open)
        """Open networks; called once, before the first image and only if something is to be computed.

        Raises:
            FaceSRBenchError: it can't be computed here; the message is shown in place of its numbers.
        """

    def prepare_sample(self, sample: Sample) -> Any:
        """As `prepare`, for metrics that need more of a sample than its HR image.

        Raises:
            MetricError: this sample lacks what the metric needs.
        """
        assert sample.hr is not None  # the pipeline has seen to it
        return self.prepare(sample.hr)

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
