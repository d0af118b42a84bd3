"""The contract of a metric: finished uint8 images in, numbers out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.images.files import Image8
from facesr_bench.plugins import convention as conventions
from facesr_bench.plugins.cards import MetricCard
from facesr_bench.plugins.profile import Profile

if TYPE_CHECKING:
    from facesr_bench.plugins.sample import Sample


DESCRIBED = {"unit", "digits", "version", "of", "minimum_count", "aggregates", "leave_out_below", "summary"}
DESCRIBED |= {"order", "family", "lead"}
"""What results say of each metric from its card."""


@dataclass(frozen=True)
class MetricWeights:
    """One network of a metric, found and verified.

    Attributes:
        name: the card's name for it.
        suffix: what it adds to the column's name: nothing for the default, `@vgg`, `@mobilefacenet-ms1m:1a2b3c4d` (the
            hash's first digits, for a file that the user gave).
        path: the file.
        sha256: of the file, and of the FILE.toml beside one that the user gave.
        options: what the card says of it, for the metric's class.
    """

    name: str
    suffix: str
    path: Path
    sha256: str
    options: dict[str, Any] = field(default_factory=dict)


class MetricBase(ABC):
    """Base of every metric's class `Metric`: one object per (metric, profile, scale), called from several threads.

    Args:
        card: the metric's card.
        profile: the convention to compute it under.
        scale: HR side over LR side; some profiles cut a border that wide.

    Attributes:
        variant: which of the card's variants, or what follows the colon where any may; set after construction.
        key: what its column is called: the name, its variant, and its network where that is not the default.
        typed: how a user asks for it, with the bare name of a file of theirs: `lpips@squeeze=squeeze.pth`.
        weights: the network's verified file, for metrics that have one.
        unavailable: why it can't be computed here at all (a file that is missing, say), or none.
        device: where its networks run: a torch device (`cpu`, `cuda`, `cuda:1`).
        makes_map: whether `with_map` has a map to give.
        Convention: the fields of its table in a profile; by default it has none.
    """

    makes_map: bool = False
    Convention: ClassVar[type[conventions.Convention]] = conventions.Convention

    def __init__(self, card: MetricCard, profile: Profile, scale: int) -> None:
        self.card = card
        self.profile = profile
        self.scale = scale
        self.variant: str | None = None
        self.key: str = card.name
        self.typed: str = card.name
        self.weights: MetricWeights | None = None
        self.unavailable: str | None = None
        self.device = "cpu"

    @cached_property
    def convention(self) -> conventions.Convention:
        """How it is computed: what the profile says, and what the card fixes whatever the profile says."""
        table = self.card.implementation or self.card.name
        return self.profile.convention(table, self.Convention, self.card.convention)

    def convention_in_words(self) -> list[str]:
        """Parts of sentences that say how it is computed, for the pages."""
        return self.convention.words()

    @property
    def title(self) -> str:
        """What tables call the column: the card's title, the variant, and the network where that is not the default."""
        network = self.key.partition("@")[2].partition(":")[0]
        title = f"{self.card.title} {self.variant}" if self.variant else self.card.title
        return f"{title} ({network})" if network else title

    @property
    def higher_is_better(self) -> bool | None:
        """The card's, unless the class knows better; none if not known."""
        return self.card.higher_is_better

    def describe(self) -> dict[str, Any]:
        """What results must say of the metric to be read without it."""
        return {
            **self.card.model_dump(mode="json", include=DESCRIBED),
            "higher_is_better": self.higher_is_better,
            "title": self.title,
            "typed": self.typed,
            "convention": self.convention_in_words(),
            "weights": self.weights.name if self.weights else None,
            "weights_sha256": self.weights.sha256 if self.weights else None,
        }

    def why_unavailable(self) -> str | None:
        """Why it can't be computed here, as far as a quick look tells (a package that is not installed); or none."""
        return None

    def troubled(self) -> bool:
        """Whether something is missing here that some images need and others don't, such as a face detector's file.

        Such images are left alone until it is there.
        """
        return False

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
        return None if sample.hr is None else self.prepare(sample.hr)

    def prepare(self, hr: Image8) -> Any:
        """What depends on the ground truth alone; computed once per image and handed to `per_image` of every method.

        Args:
            hr: HxWx3 uint8, read-only.
        """
        return hr

    @abstractmethod
    def per_image(self, sr: Image8, reference: Any) -> float:
        """The value for one image.

        Args:
            sr: HxWx3 uint8, read-only: the image as it would be saved under the profile.
            reference: what `prepare` returned for its ground truth; none where there is none.

        Returns:
            A float, infinite where the definition says so, never NaN.

        Raises:
            MetricError: it can't be computed on this image; the message is shown in place of the number.
        """

    def with_map(self, sr: Image8, reference: Any) -> tuple[float, NDArray[np.float32] | None]:
        """The value, and where it comes from: HxW float32, 0 where the images agree."""
        return self.per_image(sr, reference), None


@dataclass(frozen=True)
class SetValue:
    """What a metric of sets found.

    Attributes:
        standard_error: what another draw of as many images would change, where the metric knows.
    """

    value: float
    standard_error: float | None = None


@dataclass(frozen=True)
class ReferenceSet:
    """Statistics of a set of images that is not the protocol's own ground truth.

    Attributes:
        name: what the column says: `ffhq512`.
        path: an .npz of pytorch-fid's, or a .pth of BasicSR's.
        sha256: of the file.
    """

    name: str
    path: Path
    sha256: str


class SetMetric(MetricBase):
    """Base of metrics that only a set of images has a value of, made of one feature vector per image.

    Features are kept per image, so that the value depends on neither batches, order nor interruptions.

    Attributes:
        reference_set: what to compare with in place of the protocol's HR images, or none.
    """

    reference_set: ReferenceSet | None = None

    @property
    def title(self) -> str:
        other = self.reference_set
        return super().title if other is None else f"{super().title} vs {other.name}"

    def describe(self) -> dict[str, Any]:
        other = self.reference_set
        reference = None if other is None else f"{other.name}={other.path.name}"
        return {**super().describe(), "fid_reference": reference}

    @property
    @abstractmethod
    def extractor(self) -> str:
        """A file name for everything that decides an image's features: network, its hash, resizer, version.

        Metrics with the same extractor share their features.
        """

    @abstractmethod
    def features(self, image: Image8) -> NDArray[np.float32]:
        """D float32 for one HxWx3 uint8 image."""

    @abstractmethod
    def of_set(self, sr: NDArray[np.float32], reference: NDArray[np.float32] | Path) -> SetValue:
        """The value.

        Args:
            sr: NxD, a row per image, in the order of their ids.
            reference: the same of the ground truth, or the file of `reference_set`.

        Raises:
            MetricError: it can't be computed; the message is shown in place of the number.
        """

    def per_image(self, sr: Image8, reference: Any) -> float:
        raise MetricError(f"{self.key} has no value for a single image")
