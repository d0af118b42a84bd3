"""The settings of a training: typed, with limits, and changed by `--set key=value`.

A setting belongs to the schedule, the samples, the objective or the network. To the user they are one flat list, of
which a method has the parts that its recipe asks for.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model, model_validator

from facesr_bench.base.errors import TrainingError
from facesr_bench.base.suggest import unknown

Value: TypeAlias = int | float | bool | str


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("a number")
    try:
        number = float(value)
    except ValueError:
        raise ValueError("a number") from None
    if not math.isfinite(number):
        raise ValueError("a number")
    return number


def _whole(value: Any) -> int:
    try:
        number = _number(value)
    except ValueError:
        raise ValueError("a whole number") from None
    if number != int(number):
        raise ValueError("a whole number")
    return int(number)


def _switch(value: Any) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if (word := str(value).lower()) not in words:
        raise ValueError("true or false")
    return words[word]


Number = Annotated[float, BeforeValidator(_number)]
Whole = Annotated[int, BeforeValidator(_whole)]
"""Also from a text such as `1e4`."""
Switch = Annotated[bool, BeforeValidator(_switch)]
Text = Annotated[str, BeforeValidator(str)]
TYPES: dict[type, Any] = {bool: Switch, int: Whole, float: Number, str: Text}
"""How a setting is read whose default is of this type."""
Distance = Literal["l1", "l2", "charbonnier"]


class Part(BaseModel):
    """Some of a training's settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ScheduleSettings(Part):
    """Steps, rates, and how often something is written."""

    batch_size: Whole = Field(default=32, ge=1, description="samples of a step, over all devices together")
    lr: Number = Field(default=2e-4, gt=0, description="Adam's learning rate")
    beta1: Number = Field(default=0.9, ge=0, lt=1, description="Adam's first decay")
    beta2: Number = Field(default=0.99, ge=0, lt=1, description="Adam's second decay")
    warmup: Whole = Field(default=0, ge=0, description="steps over which the rate rises linearly")
    schedule: Literal["constant", "linear", "cosine"] = Field(default="constant", description="the rate after that")
    decay: Number = Field(
        default=1.0, gt=0, le=1, description="last fraction of the steps, over which the rate falls to 0"
    )
    ema: Number = Field(default=0.0, ge=0, lt=1, description="decay of the moving average of the weights; 0: none")
    divergence: Number = Field(
        default=10.0,
        ge=0,
        description="stop when the pixel loss is this many times its lowest, and above its first; 0: never",
    )
    log_every: Whole = Field(default=50, ge=1, description="steps between lines of the log")
    save_every: Whole = Field(default=250, ge=1, description="steps between checkpoints")
    validate_every: Whole = Field(default=500, ge=1, description="steps between validations")
    validation: Whole = Field(default=240, ge=1, description="faces held out for validation, at most a tenth of all")
    workers: Whole = Field(
        default=0, ge=0, description="threads that prepare samples; 0: half of the processors, at most 8"
    )
    threads: Whole = Field(default=0, ge=0, description="CPU threads of torch; 0: its own choice")


class CropSettings(Part):
    """Samples that are random crops and flips of the faces."""

    image_size: Whole = Field(default=128, ge=8, description="side of the network's input and output, px")
    scale: Whole = Field(default=8, ge=1, description="image_size over the side of LR")
    face_size: Whole = Field(
        default=0, ge=0, description="side the faces are cached at, px; 0: their own, the same for all"
    )
    smallest_crop: Number = Field(
        default=0.7778, gt=0, le=1, description="side of the smallest crop, as a fraction of the face's"
    )
    flip: Number = Field(default=0.5, ge=0, le=1, description="probability of a mirrored face")

    @model_validator(mode="after")
    def _fits_scale(self) -> CropSettings:
        if self.image_size % self.scale:
            raise ValueError(f"image_size={self.image_size}: must be a multiple of scale ({self.scale})")
        return self


class FaceSettings(Part):
    """Samples that are whole faces, flipped or not, with LR of the same size."""

    scale: ClassVar[int] = 1

    image_size: Whole = Field(
        default=512, ge=32, description="side of the faces and of the network's input and output, px"
    )
    flip: Number = Field(default=0.5, ge=0, le=1, description="probability of a mirrored face")
    grey: Number = Field(default=0.3, ge=0, le=1, description="probability of a grey face (LR and HR)")

    @property
    def face_size(self) -> int:
        """Side the faces are cached at, px."""
        return self.image_size


class PixelSettings(Part):
    """A distance between the pixels of output and target."""

    loss: Distance = Field(default="l1", description="which distance")


class AdversarialSettings(Part):
    """Pixels, discriminators' verdict, their features, and VGG19's."""

    loss: Distance = Field(default="l1", description="the pixel distance")
    pixel: Number = Field(default=100.0, ge=0, description="weight of the pixel distance")
    adversarial: Number = Field(default=1.0, ge=0, description="weight of the hinge loss")
    feature_matching: Number = Field(
        default=10.0, ge=0, description="weight of the distance between discriminator features"
    )
    perceptual: Number = Field(
        default=1.0, ge=0, description="weight of the distance between VGG19 features; 0: VGG19 is not needed"
    )
    vgg19: Text = Field(
        default="", description="file of torchvision's VGG19; default: the one that `weights fetch vgg19` got"
    )
    discriminators: Whole = Field(
        default=3, ge=1, le=5, description="scales that are judged, each half of the one before"
    )
    d_layers: Whole = Field(default=4, ge=1, le=6, description="convolutions of stride 2 in a discriminator")
    d_channels: Whole = Field(default=64, ge=1, description="channels of a discriminator's first layer")
    d_lr: Number = Field(default=4e-4, gt=0, description="Adam's learning rate for the discriminators")


Samples = Literal["crops", "faces"]
Objective = Literal["pixel", "adversarial"]
SAMPLES: dict[Samples, type[CropSettings] | type[FaceSettings]] = {"crops": CropSettings, "faces": FaceSettings}
OBJECTIVES: dict[Objective, type[PixelSettings] | type[AdversarialSettings]] = {
    "pixel": PixelSettings,
    "adversarial": AdversarialSettings,
}
SIZES = ("in_size", "out_size")
"""Fields of a network's configuration that `image_size` sets."""
_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}
"""pydantic's errors: in words, and where each has its limit."""
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Settings:
    """All of one training, checked.

    Attributes:
        network: the fields of the network's configuration, `in_size` and `out_size` among them.
    """

    schedule: ScheduleSettings
    data: CropSettings | FaceSettings
    objective: PixelSettings | AdversarialSettings
    network: dict[str, Value]

    def flat(self) -> dict[str, Value]:
        """Every setting by name, as `build` takes them."""
        parts = (part.model_dump() for part in (self.schedule, self.data, self.objective))
        network = {name: value for name, value in self.network.items() if name not in SIZES}
        return {name: value for part in (*parts, network) for name, value in part.items()}


def build(samples: Samples, objective: Objective, network: type[Any], *layers: Mapping[str, Value]) -> Settings:
    """Settings from their defaults and what stands over them.

    Args:
        network: the dataclass of the network's configuration; its fields are settings too, of the type of their default
            or, without one, of the value in the first layer.
        layers: values by name, later ones over earlier ones; a string is parsed as the setting's type.

    Raises:
        TrainingError: unknown name (suggests one), a value of another type or outside its limits, or values that don't
            go together.
    """
    given = {name: value for layer in layers for name, value in layer.items()}
    parts = (ScheduleSettings, SAMPLES[samples], OBJECTIVES[objective])
    known = {name for part in parts for name in part.model_fields}
    if not dataclasses.is_dataclass(network):
        raise TrainingError(f"{network.__name__}: the configuration of a network must be a dataclass")
    fields = {field.name: field for field in dataclasses.fields(network)}
    shape = fields.keys() - set(SIZES)
    for name in given:
        if name not in known and name not in shape:
            raise TrainingError(unknown("setting", name, known | shape))
    schedule = _fill(ScheduleSettings, given)
    data, terms = _fill(SAMPLES[samples], given), _fill(OBJECTIVES[objective], given)
    values = _of_network([field for name, field in fields.items() if name in shape], given, layers)
    values |= {name: data.image_size for name in SIZES if name in fields}
    _check_network(network, values)
    return Settings(schedule, data, terms, values)


def _fill(part: type[_Model], given: Mapping[str, Value]) -> _Model:
    """A part of the settings; of what is given, it takes what it has.

    Raises:
        TrainingError: a value is not of the setting's type, or outside its limits.
    """
    try:
        return part.model_validate({name: value for name, value in given.items() if name in part.model_fields})
    except ValidationError as error:
        problem = error.errors()[0]
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            raise TrainingError(message) from None
        name = str(problem["loc"][0])
        if problem["type"] in _LIMITS:
            words, limit = _LIMITS[problem["type"]]
            message = f"{words} {problem['ctx'][limit]:g}"
        elif problem["type"] == "literal_error":
            message = f"one of {', '.join(_choices(part, name))}"
        raise TrainingError(f"{name}={given[name]}: must be {message}") from None


def _choices(part: type[BaseModel], name: str) -> tuple[str, ...]:
    return tuple(choice for choice in get_args(part.model_fields[name].annotation) if isinstance(choice, str))


def _of_network(
    fields: list[dataclasses.Field[Any]], given: Mapping[str, Value], layers: tuple[Mapping[str, Value], ...]
) -> dict[str, Any]:
    """The fields of a network's configuration; a tuple and the like, of the card, is passed on as it is."""
    defaults = {field.name: _default(field, layers) for field in fields}
    typed: dict[str, Any] = {name: (TYPES.get(type(value), Any), value) for name, value in defaults.items()}
    for name, (kind, default) in typed.items():
        if kind is Any and default is not None and isinstance(given.get(name), str):
            what = type(default).__name__
            raise TrainingError(f"{name}={given[name]}: is a {what}, and can be set in the card's options alone")
    network: BaseModel = _fill(create_model("Network", **typed), given)
    return network.model_dump()


def _default(field: dataclasses.Field[Any], layers: tuple[Mapping[str, Value], ...]) -> Any:
    """What a field is where nobody says otherwise; without a default, or with None, the first value of the layers."""
    default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    if default in (dataclasses.MISSING, None):
        default = next((layer[field.name] for layer in layers if field.name in layer), default)
    if default is dataclasses.MISSING:
        name = field.name
        raise TrainingError(f"{name}: the network's configuration has no default for it; give it, as --set {name}=...")
    return default


def _check_network(network: type[Any], values: dict[str, Any]) -> None:
    try:
        network(**values)
    except ValueError as error:
        message = str(error)
        for name in SIZES:
            message = message.replace(name, "image_size")
        raise TrainingError(f"the network can't have this shape: {message}") from error


def parse_assignments(values: list[str]) -> dict[str, Value]:
    """`["batch_size=8"]` -> `{"batch_size": "8"}`.

    Raises:
        TrainingError: not of the form KEY=VALUE.
    """
    found: dict[str, Value] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name.strip() or not text.strip():
            raise TrainingError(f"--set {value!r}: write it as KEY=VALUE, for example --set batch_size=8")
        found[name.strip().replace("-", "_")] = text.strip()
    return found


def describe(settings: Settings) -> Iterator[tuple[str, Value, str]]:
    """(name, value, what it is) of every setting."""
    for part in (settings.schedule, settings.data, settings.objective):
        for name, field in type(part).model_fields.items():
            choices = _choices(type(part), name)
            yield name, getattr(part, name), str(field.description) + (f": {', '.join(choices)}" if choices else "")
    for name, value in settings.network.items():
        if name not in SIZES:
            yield name, value, "of the network"
