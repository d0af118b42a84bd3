"""The contract of a metric: finished uint8 images in, numbers out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import FaceSRBenchError, MetricError
from facesr_bench.base.grammar import Column
from facesr_bench.base.memo import Memo
from facesr_bench.images.files import Image8
from facesr_bench.plugins import convention as conventions
from facesr_bench.plugins.cards import DegradationCard, MetricCard
from facesr_bench.plugins.profile import Profile
from facesr_bench.plugins.registry import Plugin

if TYPE_CHECKING:
    from facesr_bench.plugins.sample import Sample

T = TypeVar("T")

DESCRIBED = {"unit", "digits", "version", "of", "minimum_count", "aggregates", "leave_out_below", "summary"}
DESCRIBED |= {"aggregates_on_request", "order", "family", "lead", "margin", "severity"}
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
    """

    name: str
    suffix: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class ReferenceSet:
    """Statistics of a set of images that is not the protocol's own ground truth.

    Attributes:
        name: how it stands in the column's name: `ffhq512`.
        path: an .npz of pytorch-fid's, or a .pth of BasicSR's.
        sha256: of the file.
    """

    name: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class MetricContext:
    """All that decides what a metric computes, known before it is made.

    Attributes:
        card: the metric's card.
        profile: the convention to compute it under.
        scale: HR side over LR side; some profiles cut a border that wide.
        device: where its networks run: a torch device (`cpu`, `cuda`, `cuda:1`).
        variant: which of the card's variants; None where it has none.
        argument: what followed the colon, for a card that takes one (`niqe` of `pyiqa:niqe`).
        weights: its network's verified file; None where the card has no weights, or the file is missing.
        reference_set: what a metric of sets compares with in place of the protocol's HR images.
        key: its column's name: the name with its variant or argument, and its network where that is not the default.
        typed: how a user asks for it, with the bare name of a file of theirs: `lpips@squeeze=squeeze.pth`.
        label: what the user wants its column to be called.
        memo: the networks that the metrics of one run share.
        degradation: how the protocol makes LR of HR, for `make_degradation`; None where LR is given.
        aggregates: the columns made of its values that were asked for by name.
        code: a hash of what the plug-in's folder holds; None for a built-in, which goes by its card's version.
    """

    card: MetricCard
    profile: Profile
    scale: int
    device: str = "cpu"
    variant: str | None = None
    argument: str | None = None
    weights: MetricWeights | None = None
    reference_set: ReferenceSet | None = None
    key: str = ""
    typed: str = ""
    label: str | None = None
    memo: Memo = field(default_factory=Memo, repr=False, compare=False)
    degradation: Plugin[DegradationCard] | None = field(default=None, repr=False, compare=False)
    aggregates: tuple[str, ...] = ()
    code: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.key or self.card.name)
        object.__setattr__(self, "typed", self.typed or self.key)

    @property
    def title(self) -> str:
        """The card's title, with the variant, and the network where that is not the default."""
        network = Column.parse(self.key).weights
        told_apart = self.variant or self.argument
        title = f"{self.card.title} {told_apart}" if told_apart else self.card.title
        title = f"{title} ({network})" if network else title
        return title if self.reference_set is None else f"{title} vs {self.reference_set.name}"

    def describe(self, title: str | None = None, higher_is_better: bool | None = None) -> dict[str, Any]:
        """What results must say of the metric to be read without it.

        Args:
            title: the class's own, where it knows a better one; the user's label goes before both.
            higher_is_better: likewise.
        """
        known = self.card.higher_is_better if higher_is_better is None else higher_is_better
        weights, other = self.weights, self.reference_set
        described = {
            **self.card.model_dump(mode="json", include=DESCRIBED),
            "higher_is_better": known,
            "title": self.label or title or self.title,
            "typed": self.typed,
            "convention": [],
            "weights": weights.name if weights else None,
            "weights_sha256": weights.sha256 if weights else None,
        }
        if self.code is not None:
            described["code"] = self.code
        if self.card.aggregates_on_request:
            described["aggregates"] = list(self.aggregates)
        if self.card.of == "set":
            described["fid_reference"] = None if other is None else f"{other.name}={other.path.name}"
        return described


class MetricBase(ABC):
    """Base of every metric's class `Metric`: one object per (metric, profile, scale), called from several threads.

    Making one is cheap; `load` opens its networks.

    Attributes:
        context: all that was asked for; its fields are the properties below.
        makes_map: whether `with_map` has a map to give.
        Convention: the fields of its table in a profile; by default it has none.
    """

    makes_map: bool = False
    Convention: ClassVar[type[conventions.Convention]] = conventions.Convention

    def __init__(self, context: MetricContext) -> None:
        self.context = context

    @property
    def card(self) -> MetricCard:
        """The metric's card."""
        return self.context.card

    @property
    def profile(self) -> Profile:
        """The convention to compute it under."""
        return self.context.profile

    @property
    def scale(self) -> int:
        """HR side over LR side."""
        return self.context.scale

    @property
    def device(self) -> str:
        """Where its networks run."""
        return self.context.device

    @property
    def variant(self) -> str | None:
        """Which of the card's variants."""
        return self.context.variant

    @property
    def argument(self) -> str | None:
        """What followed the colon, for a card that takes an argument."""
        return self.context.argument

    @property
    def weights(self) -> MetricWeights | None:
        """Its network's verified file; None for a card without weights."""
        return self.context.weights

    @property
    def key(self) -> str:
        """Its column's name."""
        return self.context.key

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
        """What tables call the column, unless the user gave it a label."""
        return self.context.title

    @property
    def higher_is_better(self) -> bool | None:
        """The card's, unless the class knows better; None if not known."""
        return self.card.higher_is_better

    def require_weights(self) -> MetricWeights:
        """Its network's verified file, for cards with weights: without it, the metric is not made at all.

        Raises:
            MetricError: the card has no weights.
        """
        if self.weights is None:
            raise MetricError(f"{self.key} has no weights")
        return self.weights

    def shared(self, name: Hashable, make: Callable[[], T]) -> T:
        """What `make` returns, made once for all metrics of a run that ask for this name."""
        return self.context.memo.get(name, make)

    def describe(self) -> dict[str, Any]:
        """What results must say of the metric to be read without it."""
        described = self.context.describe(self.title, self.higher_is_better)
        return {**described, "convention": self.convention_in_words()}

    @classmethod
    def random_weights(cls, card: MetricCard, name: str, folder: Path) -> Path | None:
        """A file that stands in for the network that the card calls `name`: of its shape, with random weights.

        `facesr-bench validate` computes with it where the real file is missing. Each time, it is the same.

        Args:
            folder: where the file is to be written.

        Returns:
            The file; None where there is no way to make one.
        """
        return None

    def why_unavailable(self) -> str | None:
        """Why it can't be computed here, as far as a quick look shows (a package that is not installed); or None."""
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

    def alignment(self, reference: Any) -> str | None:
        """What a face was placed by, for metrics that look at faces: `landmarks`, `dlib on HR`; None for any other.

        Tables show it with the column: numbers of faces that were placed in another way are other numbers.

        Args:
            reference: what `prepare` returned for the image's ground truth.
        """
        return None

    @abstractmethod
    def per_image(self, sr: Image8, reference: Any) -> float:
        """The value for one image.

        Args:
            sr: HxWx3 uint8, read-only: the image as it would be saved under the profile.
            reference: what `prepare` returned for its ground truth; None where there is none.

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


class SetMetric(MetricBase):
    """Base of metrics that only a set of images has a value of, made of one feature vector per image.

    Features are kept per image, so that the value depends on neither batches, order nor interruptions.
    """

    @property
    def reference_set(self) -> ReferenceSet | None:
        """What to compare with in place of the protocol's HR images, or None."""
        return self.context.reference_set

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


@dataclass(frozen=True)
class Unavailable:
    """Stands in the place of a metric that can't be computed here: its column stays, with the reason.

    Attributes:
        context: what was asked for.
        error: why it can't be computed; its message is the reason that cells show.
        described: what results say of it, see `MetricBase.describe`.
    """

    context: MetricContext
    error: FaceSRBenchError
    described: Mapping[str, Any]

    @property
    def card(self) -> MetricCard:
        """The metric's card."""
        return self.context.card

    @property
    def key(self) -> str:
        """Its column's name."""
        return self.context.key

    @property
    def reason(self) -> str:
        """Why it can't be computed here."""
        return str(self.error)

    def describe(self) -> dict[str, Any]:
        """As `MetricBase.describe`."""
        return dict(self.described)


AnyMetric: TypeAlias = MetricBase | Unavailable
"""A column of a run: a metric, or why it can't be computed."""
