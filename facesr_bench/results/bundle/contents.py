"""What stands in a bundle.

bundle.json                   what is claimed of each result: means, counts, parts, hashes of the data
1/manifest.json               the first result's manifest, without folders of the machine that made it
 /images.jsonl                one line per image, by id
 /pixels.jsonl                the hash of each image's pixels: what was made, and of what
 /sets.json                   values of metrics of the whole set, if there are any
 /sr/<id>.png                 every picture that was scored
 /features/<what>/<id>.npy    what metrics of the whole set read, where asked for
2/...
SHA256SUMS                    of every other file: `sha256sum -c SHA256SUMS` checks them
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from facesr_bench.base.files import file_name
from facesr_bench.results.columns import Totals, metric_infos, total
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.record import Manifest

FORMAT: Literal["facesr-bench bundle"] = "facesr-bench bundle"
SCHEMA: Literal[1] = 1


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Claim(_Record):
    """The mean of one column, over so many images; infinite ones are the texts `inf` and `-inf`, as in images.jsonl."""

    mean: float | Literal["inf", "-inf"]
    n: int = Field(ge=0)

    @property
    def value(self) -> float:
        """The number; infinite where the text says so."""
        return float(self.mean)


class Entry(_Record):
    """What is claimed of one result.

    Attributes:
        images: it has a picture of; failed: it has none of, though the method was run on them.
        total: images that the protocol has. Where `images` and `failed` make less, this is a part of the set.
        deterministic: false where the method draws random numbers, from `seed`.
        data: a hash over the pixels of every input and of its ground truth.
        ground_truth: whether there is any.
        means: by column.
        features: the extractors whose features are here.
    """

    folder: str = Field(pattern=r"^[1-9][0-9]{0,3}$")
    protocol: str
    profile: str
    label: str
    fingerprint: str
    images: int = Field(ge=0)
    failed: int = Field(ge=0)
    total: int = Field(ge=0)
    deterministic: bool = True
    seed: int | None = None
    data: str
    ground_truth: bool
    means: dict[str, Claim]
    features: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every image of the protocol is in it, failed ones counted."""
        return self.images + self.failed == self.total

    @property
    def size(self) -> str:
        """`330 images`, `10 of 330 images: a part of the set, 2 failed`."""
        if self.whole:
            text = f"{self.images} images"
        elif self.images + self.failed < self.total:
            text = f"{self.images} of {self.total} images: a part of the set"
        else:
            text = f"{self.images} images, where the protocol has {self.total}: another set"
        return f"{text}, {self.failed} failed" if self.failed else text


class Index(_Record):
    """bundle.json.

    Attributes:
        anonymous: made for double-blind review: it says nothing of who made it.
        contact: who answers for it; url: a paper or report about it.
    """

    format: Literal["facesr-bench bundle"] = FORMAT
    schema_version: Literal[1] = SCHEMA
    anonymous: bool = False
    contact: str | None = None
    url: str | None = None
    results: tuple[Entry, ...] = Field(min_length=1, max_length=9999)


@dataclass(frozen=True)
class Pixels:
    """The hashes of one image: a line of pixels.jsonl.

    Attributes:
        sr: of the method's picture, None where it failed; height, width: of it, px.
        lr, hr: of what the method was given and of the ground truth; None where there is none, or it could not be read.
    """

    id: str
    sr: str | None = None
    lr: str | None = None
    hr: str | None = None
    height: int = 0
    width: int = 0

    def to_json(self) -> str:
        """A line of pixels.jsonl."""
        known = {name: value for name, value in vars(self).items() if value is not None and not name.startswith("_")}
        return json.dumps(known, ensure_ascii=False)


PIXELS: TypeAdapter[Pixels] = TypeAdapter(Pixels)


def picture_name(image_id: str) -> str:
    """What an image's files are called in a bundle, without suffix: short enough for any tar."""
    name = file_name(image_id)
    return name if len(name) <= 80 else f"{name[:60]}-{hashlib.sha256(image_id.encode()).hexdigest()[:16]}"


def data_hash(pixels: Iterable[Pixels]) -> str:
    """One hash of all inputs and ground truth, by their decoded pixels: it does not depend on how files are packed."""
    lines = sorted(json.dumps([each.id, each.lr, each.hr]) for each in pixels)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def totals_of(
    manifest: Manifest, images: Mapping[str, ImageRecord], sets: Mapping[str, Mapping[str, Any]]
) -> tuple[Totals, list[ImageRecord]]:
    """The means of a result, made of its lines as tables make them; and the images that the method has a picture of."""
    good = [row for row in images.values() if row.error is None]
    return total(metric_infos(manifest.metrics, images.values()), good, sets), good


def claims(totals: Totals) -> dict[str, Claim]:
    """As bundle.json has them."""
    return {name: Claim(mean=_spelled(mean), n=totals.counts[name]) for name, mean in sorted(totals.means.items())}


def _spelled(mean: float) -> Any:
    return mean if math.isfinite(mean) else ("inf" if mean > 0 else "-inf")


def sums_of(hashes: Mapping[str, str]) -> bytes:
    """SHA256SUMS: what `sha256sum` writes and checks."""
    return "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes)).encode("ascii")
