"""The cards: what a method, dataset, protocol, metric or degradation is, as data (card.toml beside the code)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from facesr_bench.base.errors import CardError, PluginError
from facesr_bench.base.grammar import Spec
from facesr_bench.base.suggest import is_path
from facesr_bench.base.text import counted
from facesr_bench.base.toml import read_toml

"""Version of the card format; a card of another version is refused."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
_AGGREGATE = r"^((auc|failure)-[1-9][0-9]*|below-[0-9]+(\.[0-9]+)?)$"
Aggregate = Annotated[str, StringConstraints(pattern=_AGGREGATE)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
DegradationName = Annotated[str, StringConstraints(pattern=r"^([a-z0-9][a-z0-9._-]*|\.\.?/.+)$", max_length=256)]
"""A degradation by its name, or by its folder, from that of the card on (`./mine`)."""


def _metric(text: str) -> str:
    try:
        spec = Spec.parse(text)
    except PluginError as error:
        raise ValueError(str(error)) from error
    if is_path(spec.name) or spec.file or spec.label or str(spec) != text or len(text) > 96:
        raise ValueError("a metric of a card is name, name[variant], name:argument, with @network where it has several")
    return text


MetricSpec = Annotated[str, AfterValidator(_metric)]
"""A metric as users write it: `psnr`, `fid[clean]`, `pyiqa:niqe`, `lpips@vgg`."""
FileInFolder = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]
"""The name of a file in the plug-in's folder itself."""
FileUrl = Annotated[
    str, StringConstraints(pattern=r"^https?://[^/\s?#]+/([^\s?#]*/)?[A-Za-z0-9][A-Za-z0-9._+~-]*(\?[^\s#]*)?$")
]
"""A URL that ends in a plain file name, since that becomes the name of a file here."""

HubUrl = Annotated[str, StringConstraints(pattern=r"^hf:[\w-][\w.-]*(/[\w-][\w.-]*){2,}(@[\w.-]+)?$")]
"""A file of the Hugging Face hub: `hf:owner/repo/file@COMMIT`."""


class _Card(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    DESCRIPTIVE: ClassVar[frozenset[str]] = frozenset()
    """Fields that can't change a number: they are for people, or have a place of their own in the fingerprint."""


class Paper(_Card):
    """Where a method or dataset was published."""

    title: str
    url: str
    year: int
    bibtex: str = ""


class MeasuredCard(_Card):
    """What this project measured with a checkpoint; a claim that anyone with the data can check.

    Means with the ends of their 95 % bootstrap intervals over the images, by metric as users write it.
    """

    protocol: Name
    profile: Name
    n: int = Field(gt=0, description="images")
    values: dict[MetricSpec, tuple[float, float, float]] = Field(min_length=1, description="mean, low, high")
    bicubic: dict[MetricSpec, tuple[float, float, float]] = Field(
        default_factory=dict, description="the same of method `bicubic`, to compare with"
    )

    @model_validator(mode="after")
    def _ordered(self) -> MeasuredCard:
        for name, (mean, low, high) in [*self.values.items(), *self.bicubic.items()]:
            if not low <= mean <= high:
                raise ValueError(f"{name}: give the mean, then the low and the high end of its interval")
        return self


class WeightsCard(_Card):
    """One named checkpoint.

    Either `file` (shipped in the plug-in's folder) or `url` (to be downloaded) is given.
    """

    file: str | None = None
    url: FileUrl | HubUrl | None = None
    sha256: Sha256 | None = None
    sha256_by: str = Field(
        default="",
        description="who states the hash, where that is not the publisher; such a file is pinned on first use too",
    )
    size: int | None = Field(default=None, gt=0, description="bytes")
    licence: str
    non_commercial: bool = Field(default=False, description="the licence is shown, and asked about, before a download")
    training_data: str
    training: str = ""
    source: str = Field(default="", description="where these facts are written down, and what could not be verified")
    measured: tuple[MeasuredCard, ...] = ()
    logs: tuple[str, ...] = Field(
        default=(), description="log.jsonl of each stage of its training, in the plug-in's folder, the earliest first"
    )

    @model_validator(mode="after")
    def _one_source(self) -> WeightsCard:
        if (self.file is None) == (self.url is None):
            raise ValueError("give exactly one of `file` (in the plug-in's folder) and `url`")
        for field, paths in (("file", [self.file] if self.file else []), ("logs", self.logs)):
            if any(Path(path).is_absolute() or ".." in Path(path).parts for path in paths):
                raise ValueError(f"`{field}` must be a path inside the plug-in's folder")
        pinned = self.sha256 is not None or re.search("@[0-9a-f]{40}$", self.url or "")
        if self.url is not None and self.url.startswith("hf:") and not pinned:
            raise ValueError("`url` of the hub needs a commit behind it, as in hf:owner/repo/file@COMMIT, or `sha256`")
        return self


class MethodCard(_Card):
    """What a method is; its behaviour is the class `Method` in method.py beside the card."""

    DESCRIPTIVE = frozenset(
        {
            *("schema_version", "title", "summary", "parameters", "licence", "paper", "code"),
            *("weights", "default_weights", "opens", "time_includes", "own_process", "interpolates", "exportable"),
        }
    )

    schema_version: Literal[1]
    kind: Literal["method"]
    name: Name
    title: str
    summary: str
    implementation: Name | None = Field(
        default=None, description="built-in whose method.py is used, and whose paper, unless given here"
    )
    input: Literal["lr", "bicubic"] = Field(
        description="`lr`: native LR; `bicubic`: LR upsampled to the output size by Pillow's bicubic, in uint8"
    )
    scales: tuple[int, ...] = Field(default=(), description="scales it can do; empty for any")
    output_size: int | None = Field(default=None, gt=0, description="side of the only output size it can make, px")
    needs_ffhq_alignment: bool = False
    interpolates: bool = Field(default=False, description="at scale 1 it hands its input back, as interpolation does")
    takes_argument: bool = Field(
        default=False, description="a text must follow the colon, as in `images:DIR`; a file or folder is hashed"
    )
    takes_pattern: bool = Field(
        default=False, description="its argument may end in a pattern such as `{id}_00.png`, which --suffix writes"
    )
    opens: tuple[str, ...] = Field(
        default=(),
        description="what its argument may be, for those who type the argument alone: suffixes of files (`.onnx`), and "
        "`pictures` for a folder of them",
    )
    deterministic: bool = Field(default=True, description="false: it draws random numbers, from `seed`")
    seed: int | None = Field(
        default=None,
        ge=0,
        description="with the protocol and the image's id it makes what random numbers begin at, for each image",
    )
    own_process: bool = Field(
        default=False, description="it works in processes of its own, so that --isolate has nothing to add"
    )
    exportable: bool = Field(
        default=False,
        description="its `upscale` is torch from its input to its output and keeps nothing, so that `--backend` can "
        "let another runtime compute it, and several threads can call it at once",
    )
    time_includes: str = Field(default="", description="what of its milliseconds is no upscaling, such as `start-up`")
    parameters: int | None = Field(default=None, ge=0)
    licence: str
    paper: Paper | None = None
    code: str | None = None
    options: dict[str, Any] = Field(default_factory=dict, description="passed to the method's class")
    weights: dict[Name, WeightsCard] = Field(default_factory=dict)
    default_weights: Name | None = None

    @model_validator(mode="after")
    def _default_exists(self) -> MethodCard:
        if self.default_weights is not None and self.default_weights not in self.weights:
            raise ValueError(f"default_weights is {self.default_weights!r}, which [weights] does not have")
        if self.weights and self.default_weights is None:
            raise ValueError("default_weights must name one of [weights]")
        return self

    @model_validator(mode="after")
    def _names_its_seed(self) -> MethodCard:
        if not self.deterministic and self.seed is None:
            raise ValueError("deterministic = false needs a seed, such as seed = 0: without, no row can be made again")
        return self


class CropCard(_Card):
    """How the face is cut out of the picture.

    `none`: the picture as it is. `centre`: the central square of `size` px, or of the shorter side. `box`: the sample's
    own square box. `landmarks`: a square around the landmarks (facesr_bench.data.crops.landmark_square). `ffhq`: turned
    and scaled so that five landmarks lie as in FFHQ (facesr_bench.data.ffhq.aligned).
    """

    rule: Literal["none", "centre", "box", "landmarks", "ffhq"]
    size: int | None = Field(default=None, gt=0, description="side in px, for `centre`; not given: the shorter side")
    enlarge: float | None = Field(default=None, gt=0, description="side over the longer side of the landmark box")
    shift_up: float | None = Field(default=None, description="upward shift of the centre, in landmark box heights")
    enlarge_up_to: float | None = Field(
        default=None,
        gt=1,
        le=2,
        description="how many times a face smaller than `hr_size` may be enlarged, counted and shown; not given: never",
    )

    @model_validator(mode="after")
    def _has_its_numbers(self) -> CropCard:
        if self.rule == "landmarks" and (self.enlarge is None or self.shift_up is None):
            raise ValueError("rule `landmarks` needs `enlarge` and `shift_up`")
        if self.rule == "ffhq" and self.enlarge_up_to is not None:
            raise ValueError("rule `ffhq` turns and scales each face; `enlarge_up_to` is for the others")
        return self


class ProtocolCard(_Card):
    """How a dataset is turned into a benchmark. `name` is the key of its table in the dataset's card."""

    DESCRIPTIVE = frozenset({"summary", "metrics", "expected_count", "profile", "lr_hashes"})

    name: Name
    summary: str
    split: str = "test"
    crop: CropCard
    scale: int = Field(ge=1, description="HR side over LR side")
    hr_size: int | None = Field(
        default=None, gt=0, description="side of HR, px (Pillow bicubic); not given: as cropped"
    )
    lr_size: int | None = Field(default=None, gt=0, description="side that given LR images must have, px")
    source: Literal["hr", "pairs", "lr"] = Field(description="`hr`: LR is made of HR; `pairs`: both given; `lr`: no HR")
    degradation: DegradationName | None = Field(default=None, description="how LR is made; only with source `hr`")
    lr_hashes: FileInFolder | None = Field(
        default=None, description="file beside the card: sha256 of each LR picture's pixels, by the image's id"
    )
    aligned: Literal["none", "ffhq"] = "none"
    profile: Name
    metrics: tuple[MetricSpec, ...]
    expected_count: int | None = Field(default=None, gt=0, description="images the full set has")

    @model_validator(mode="after")
    def _consistent(self) -> ProtocolCard:
        if (self.source == "hr") != (self.degradation is not None):
            raise ValueError("`degradation` is needed with source = 'hr', and only there")
        if self.crop.rule == "ffhq" and (self.hr_size is None or self.aligned != "ffhq"):
            raise ValueError("crop rule `ffhq` needs `hr_size`, and aligned = 'ffhq'")
        if self.hr_size is not None and self.hr_size % self.scale:
            raise ValueError(f"hr_size {self.hr_size} is not a multiple of scale {self.scale}")
        return self


class DatasetCard(_Card):
    """What a dataset is; its reader is the class `Dataset` in dataset.py beside the card."""

    DESCRIPTIVE = frozenset(
        {"schema_version", "title", "summary", "licence", "citation", "obtain", "layout", "protocols"}
    )

    schema_version: Literal[1]
    kind: Literal["dataset"]
    name: Name
    title: str
    summary: str
    licence: str
    citation: Paper | None = None
    implementation: Name | None = Field(default=None, description="built-in whose dataset.py is used")
    obtain: str = Field(description="how to get the data, for a person")
    layout: str = Field(description="the files the reader expects")
    needs_data: bool = True
    options: dict[str, Any] = Field(default_factory=dict)
    protocols: dict[Name, ProtocolCard]

    @model_validator(mode="before")
    @classmethod
    def _name_protocols(cls, data: Any) -> Any:
        protocols = data.get("protocols") if isinstance(data, dict) else None
        if isinstance(protocols, dict):
            named = {k: {"name": k, **v} if isinstance(v, dict) else v for k, v in protocols.items()}
            data = {**data, "protocols": named}
        return data


class MetricWeightsCard(_Card):
    """One network that a metric can be computed with."""

    store: str | None = Field(default=None, description="its name in the weights catalogue; not given: given as a file")


class MetricVariantCard(_Card):
    """One of several ways to compute a metric that the field knows under one name; always part of the column's name."""

    summary: str


class MetricCard(_Card):
    """What a metric is; its computation is the class `Metric` in metric.py beside the card."""

    schema_version: Literal[1]
    kind: Literal["metric"]
    name: Name
    title: str
    summary: str
    version: int = Field(ge=1, description="raised whenever a number could change")
    of: Literal["image", "set"] = Field(default="image", description="whether one image has a value, or only many")
    higher_is_better: bool | None = Field(default=None, description="not given: the class knows, by its variant")
    unit: str = ""
    range: tuple[float, float]
    digits: int = Field(default=4, ge=0, description="decimals in tables")
    order: int = Field(default=100, ge=0, description="place of its column; columns of one place stand by name")
    family: Literal["fidelity", "perception", "identity", "landmarks", "other"] = Field(
        default="other", description="what it is about: figures that show one metric of a family choose by this"
    )
    lead: bool = Field(default=False, description="the one of its family that a figure shows")
    needs: tuple[Literal["reference", "landmarks", "input"], ...] = Field(
        default=(), description="`reference`: an HR image; `landmarks`: the dataset's own; `input`: the LR image"
    )
    minimum_count: int = Field(
        default=2, ge=2, description="of a set: with fewer images than this, the number stands with its count"
    )
    aggregates: tuple[Aggregate, ...] = Field(
        default=(),
        description="columns made of all its values: `auc-8`: area under the curve of errors to 8; `failure-8`: share "
        "of errors above it; `below-0.5`: share of values below it",
    )
    aggregates_on_request: bool = Field(
        default=False,
        description="only those that a protocol or a user names become columns (`name:below-0.5`), with any limit",
    )
    leave_out_below: float | None = Field(
        default=None,
        description="values below it are left out of the mean, counted and shown",
    )
    margin: float | None = Field(
        default=None, ge=0, description="a loss of the mean up to it is no regression, in the metric's unit"
    )
    severity: float | None = Field(
        default=None, gt=0, description="an image that loses more than it counts as broken, in the metric's unit"
    )
    paper: Paper | None = None
    implementation: Name | None = Field(
        default=None,
        description="built-in whose metric.py is used, and whose networks, variants and paper, unless given here",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="read by the metric's class")
    convention: dict[str, Any] = Field(
        default_factory=dict, description="fields of its convention that it fixes, whatever the profile says"
    )
    variants: dict[Name, MetricVariantCard] = Field(default_factory=dict)
    default_variant: Name | None = None
    takes_argument: bool = Field(default=False, description="a text must follow the colon, as in `pyiqa:niqe`")
    weights: dict[Name, MetricWeightsCard] = Field(default_factory=dict)
    default_weights: Name | None = None

    def makes_column(self, text: str) -> bool:
        """Whether it has a column of its values called `text`, such as `auc-10`."""
        if not self.aggregates_on_request:
            return text in self.aggregates
        kinds = {name.partition("-")[0] for name in self.aggregates}
        return re.match(_AGGREGATE, text) is not None and text.partition("-")[0] in kinds

    @model_validator(mode="after")
    def _default_exists(self) -> MetricCard:
        if bool(self.variants) != (self.default_variant in self.variants):
            raise ValueError("default_variant must name one of [variants], and is only for metrics that have some")
        if bool(self.weights) != (self.default_weights in self.weights):
            raise ValueError("default_weights must name one of [weights], and is only for metrics that have some")
        return self


class DegradationCard(_Card):
    """What a degradation is; how it makes LR is the class `Degradation` in degradation.py beside the card."""

    DESCRIPTIVE = frozenset({"schema_version", "title", "summary", "paper", "order", "family", "lead"})

    schema_version: Literal[1]
    kind: Literal["degradation"]
    name: Name
    title: str
    summary: str
    version: int = Field(ge=1, description="raised whenever a picture could change")
    random: bool = Field(
        default=False, description="whether it draws from its seed; otherwise every seed gives the same"
    )
    implementation: Name | None = Field(
        default=None, description="built-in whose degradation.py is used, and whose paper, unless given here"
    )
    scales: tuple[int, ...] = Field(default=(), description="scales it can do; empty for any")
    paper: Paper | None = None
    options: dict[str, Any] = Field(default_factory=dict, description="read by the degradation's class")


Card = MethodCard | DatasetCard | MetricCard | DegradationCard
CARD_TYPES: dict[str, type[MethodCard | DatasetCard | MetricCard | DegradationCard]] = {
    "method": MethodCard,
    "dataset": DatasetCard,
    "metric": MetricCard,
    "degradation": DegradationCard,
}

_Model = TypeVar("_Model", bound=BaseModel)


def validate(model: type[_Model], data: Any, path: Path, table: str = "") -> _Model:
    """`data` as `model`.

    Args:
        table: where in the file `data` stands, if not at the top level.

    Raises:
        CardError: names the file, each wrong field, and what was expected there.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [f"{path}: {counted(error.error_count(), 'problem')}:"]
        for problem in error.errors():
            place = [table] * bool(table) + [str(part) for part in problem["loc"]]
            field = ".".join(place) or "(the whole card)"
            given = "" if problem["type"] in {"missing", "value_error"} else f", not {problem['input']!r}"
            message = problem["msg"].removeprefix("Value error, ")
            if problem["type"] == "extra_forbidden":
                message, given = _unknown_field(model, problem["loc"]), ""
            lines.append(f"  {field}: {message}{given}")
        raise CardError("\n".join(lines)) from error


def _unknown_field(model: type[BaseModel], place: tuple[int | str, ...]) -> str:
    """The message for a field that the model, or the one inside it that `place` leads to, does not have."""
    for part in place[:-1]:
        inner = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return "unknown field"
        model = inner
    known = sorted(model.model_fields)
    close = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"unknown field{hint} (known here: {', '.join(known)})"


def read_card(path: Path, kind: str, builtins: Path | None = None) -> Card:
    """Read and validate one card.toml of `kind` (`method`, `dataset`, `metric` or `degradation`).

    Args:
        builtins: where the built-in plug-ins of this kind are, one of which may be the card's `implementation`.

    Raises:
        CardError: it is not valid.
    """
    data = read_toml(path)
    if builtins is not None and isinstance(data.get("implementation"), str):
        data = {**_inherited(data, kind, builtins), **data}
    return validate(CARD_TYPES[kind], data, path)


def _inherited(data: Mapping[str, Any], kind: str, builtins: Path) -> dict[str, Any]:
    """What a card has from the card of its `implementation`.

    A method and a degradation have its paper; a metric without [weights] of its own (`weights = {}`: it needs none) its
    networks and its paper; one without [variants] its variants.
    """
    path = builtins / str(data["implementation"]).replace("-", "_") / "card.toml"
    if not path.is_file():
        return {}  # said where its code is looked for
    if kind == "dataset":
        return {}
    fields = ["paper"] if kind != "metric" or "weights" not in data else []
    if kind == "metric":
        fields += ["weights", "default_weights"] if "weights" not in data else []
        fields += ["variants", "default_variant"] if "variants" not in data else []
    return {field: value for field, value in read_toml(path).items() if field in fields}
