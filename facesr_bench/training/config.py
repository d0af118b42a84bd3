"""The settings of a training: typed, with limits, and changed by `--set key=value`.

A setting belongs to the schedule, the data, the objective or the network. To the user they are one flat list, of which
a method has the parts that its recipe asks for.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from facesr_bench.base.errors import TrainingError
from facesr_bench.base.suggest import unknown

Value: TypeAlias = int | float | bool | str


def _setting(
    default: Value,
    help: str,  # noqa: A002
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    limits = {"least": least, "above": above, "most": most, "below": below}
    return dataclasses.field(default=default, metadata={"help": help, "limits": limits, "choices": choices})


@dataclass(frozen=True)
class ScheduleSettings:
    """Steps, rates, and how often something is written."""

    batch_size: int = _setting(32, "samples of a step, over all devices together", least=1)
    lr: float = _setting(2e-4, "Adam's learning rate", above=0)
    beta1: float = _setting(0.9, "Adam's first decay", least=0, below=1)
    beta2: float = _setting(0.99, "Adam's second decay", least=0, below=1)
    warmup: int = _setting(0, "steps over which the rate rises linearly", least=0)
    schedule: str = _setting("constant", "the rate after that", choices=("constant", "linear", "cosine"))
    decay: float = _setting(1.0, "last fraction of the steps, over which the rate falls to 0", above=0, most=1)
    ema: float = _setting(0.0, "decay of the moving average of the weights; 0: none", least=0, below=1)
    divergence: float = _setting(
        10.0, "stop when the pixel loss is this many times its lowest, and above its first; 0: never", least=0
    )
    log_every: int = _setting(50, "steps between lines of the log", least=1)
    save_every: int = _setting(250, "steps between checkpoints", least=1)
    validate_every: int = _setting(500, "steps between validations", least=1)
    validation: int = _setting(240, "faces held out for validation, at most a tenth of all", least=1)
    workers: int = _setting(0, "threads that prepare samples; 0: half of the processors, at most 8", least=0)
    threads: int = _setting(0, "CPU threads of torch; 0: its own choice", least=0)


@dataclass(frozen=True)
class BicubicSettings:
    """Random crops and flips of the faces, LR by Pillow's bicubic."""

    image_size: int = _setting(128, "side of the network's input and output, px", least=8)
    scale: int = _setting(8, "image_size over the side of LR", least=2)
    face_size: int = _setting(0, "side the faces are cached at, px; 0: their own, the same for all", least=0)
    smallest_crop: float = _setting(0.7778, "side of the smallest crop, as a fraction of the face's", above=0, most=1)
    flip: float = _setting(0.5, "probability of a mirrored face", least=0, most=1)


@dataclass(frozen=True)
class BlindSettings:
    """The whole face, flipped or not, under a random blind degradation."""

    image_size: int = _setting(512, "side of the faces and of the network's input and output, px", least=32)
    flip: float = _setting(0.5, "probability of a mirrored face", least=0, most=1)
    grey: float = _setting(0.3, "probability of a grey face (LR and HR)", least=0, most=1)


@dataclass(frozen=True)
class PixelSettings:
    """A distance between the pixels of output and target."""

    loss: str = _setting("l1", "which distance", choices=("l1", "l2", "charbonnier"))


@dataclass(frozen=True)
class AdversarialSettings:
    """Pixels, discriminators' verdict, their features, and VGG19's."""

    loss: str = _setting("l1", "the pixel distance", choices=("l1", "l2", "charbonnier"))
    pixel: float = _setting(100.0, "weight of the pixel distance", least=0)
    adversarial: float = _setting(1.0, "weight of the hinge loss", least=0)
    feature_matching: float = _setting(10.0, "weight of the distance between discriminator features", least=0)
    perceptual: float = _setting(1.0, "weight of the distance between VGG19 features; 0: VGG19 is not needed", least=0)
    vgg19: str = _setting("", "file of torchvision's VGG19; default: the one that `weights fetch vgg19` got")
    discriminators: int = _setting(3, "scales that are judged, each half of the one before", least=1, most=5)
    d_layers: int = _setting(4, "convolutions of stride 2 in a discriminator", least=1, most=6)
    d_channels: int = _setting(64, "channels of a discriminator's first layer", least=1)
    d_lr: float = _setting(4e-4, "Adam's learning rate for the discriminators", above=0)


Degradation = Literal["bicubic", "blind"]
Objective = Literal["pixel", "adversarial"]
DATA: dict[str, type[BicubicSettings] | type[BlindSettings]] = {"bicubic": BicubicSettings, "blind": BlindSettings}
OBJECTIVES: dict[str, type[PixelSettings] | type[AdversarialSettings]] = {
    "pixel": PixelSettings,
    "adversarial": AdversarialSettings,
}
SIZES = ("in_size", "out_size")
"""Fields of a network's configuration that `image_size` sets."""


@dataclass(frozen=True)
class Settings:
    """All of one training, checked.

    Attributes:
        network: the fields of the network's configuration, `in_size` and `out_size` among them.
    """

    schedule: ScheduleSettings
    data: BicubicSettings | BlindSettings
    objective: PixelSettings | AdversarialSettings
    network: dict[str, Value]

    def flat(self) -> dict[str, Value]:
        """Every setting by name, as `build` takes them."""
        parts = (dataclasses.asdict(part) for part in (self.schedule, self.data, self.objective))
        network = {name: value for name, value in self.network.items() if name not in SIZES}
        return {name: value for part in (*parts, network) for name, value in part.items()}


def build(degradation: Degradation, objective: Objective, network: type[Any], *layers: Mapping[str, Value]) -> Settings:
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
    parts = [ScheduleSettings, DATA[degradation], OBJECTIVES[objective]]
    known = {field.name for part in parts for field in dataclasses.fields(part)}
    if not dataclasses.is_dataclass(network):
        raise TrainingError(f"{network.__name__}: the configuration of a network must be a dataclass")
    fields = {field.name: field for field in dataclasses.fields(network)}
    shape = fields.keys() - set(SIZES)
    for name in given:
        if name not in known and name not in shape:
            raise TrainingError(unknown("setting", name, known | shape))
    schedule, data, terms = (_fill(part, given) for part in parts)
    values = {name: _of_network(field, given, layers) for name, field in fields.items() if name in shape}
    values |= {name: data.image_size for name in SIZES if name in fields}
    settings = Settings(schedule, data, terms, values)
    _check_together(settings, network)
    return settings


def _of_network(
    field: dataclasses.Field[Any], given: Mapping[str, Value], layers: tuple[Mapping[str, Value], ...]
) -> Value:
    """The value of a field of a network's configuration; a tuple and the like, of the card, is passed on as it is."""
    name, default = field.name, field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    if default in (dataclasses.MISSING, None):
        default = next((layer[name] for layer in layers if name in layer), default)
    if default is dataclasses.MISSING:
        raise TrainingError(f"{name}: the network's configuration has no default for it; give it, as --set {name}=...")
    value: Value = given.get(name, default)
    if type(default) in {bool, int, float, str}:
        return _parse(name, value, default, {})
    if isinstance(value, str) and default is not None:
        raise TrainingError(
            f"{name}={value}: is a {type(default).__name__}, and can be set in the card's options alone"
        )
    return value


def _fill(part: type[Any], given: Mapping[str, Value]) -> Any:
    return part(
        **{
            field.name: _parse(field.name, given[field.name], cast("Value", field.default), field.metadata)
            for field in dataclasses.fields(part)
            if field.name in given
        }
    )


def _parse(name: str, value: Value, default: Value, metadata: Mapping[str, Any]) -> Value:
    """`value` as the type of `default`, within the limits."""
    try:
        parsed = _convert(value, type(default))
    except ValueError:
        kind = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[type(default)]
        raise TrainingError(f"{name}={value}: must be {kind}") from None
    choices = metadata.get("choices", ())
    if choices and parsed not in choices:
        raise TrainingError(f"{name}={value}: must be one of {', '.join(choices)}")
    limits = metadata.get("limits", {})
    if not isinstance(parsed, (bool, str)):
        words: dict[str, tuple[str, Callable[[float, float], bool]]] = {
            "least": ("at least", operator.ge),
            "above": ("more than", operator.gt),
            "most": ("at most", operator.le),
            "below": ("less than", operator.lt),
        }
        broken = [
            f"{word} {limits[key]:g}"
            for key, (word, holds) in words.items()
            if limits.get(key) is not None and not holds(parsed, limits[key])
        ]
        if broken:
            raise TrainingError(f"{name}={value}: must be {' and '.join(broken)}")
    return parsed


def _convert(value: Value, kind: type[Any]) -> Value:
    if kind is bool:
        if isinstance(value, bool):
            return value
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if str(value).lower() not in words:
            raise ValueError
        return words[str(value).lower()]
    if kind is str:
        return str(value)
    if isinstance(value, bool):
        raise ValueError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    if kind is int:
        if number != int(number):
            raise ValueError
        return int(number)
    return number


def _check_together(settings: Settings, network: type[Any]) -> None:
    data = settings.data
    if isinstance(data, BicubicSettings) and data.image_size % data.scale:
        raise TrainingError(f"image_size={data.image_size}: must be a multiple of scale ({data.scale})")
    try:
        network(**settings.network)
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
        for field in dataclasses.fields(part):
            choices = field.metadata["choices"]
            text = field.metadata["help"] + (f": {', '.join(choices)}" if choices else "")
            yield field.name, getattr(part, field.name), text
    for name, value in settings.network.items():
        if name not in SIZES:
            yield name, value, "of the network"
