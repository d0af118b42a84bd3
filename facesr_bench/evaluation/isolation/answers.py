"""What a method's process answered, checked: it may be anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from facesr_bench.base.text import counted
from facesr_bench.evaluation.inputs import Loaded
from facesr_bench.evaluation.isolation.messages import Message, MessageError
from facesr_bench.evaluation.predict import Output


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False, extra="forbid")


_Kind = TypeVar("_Kind", bound=_Answer)


class Ready(_Answer):
    """What is known of a method once it is loaded."""

    cost: dict[str, int | None]
    block: int | None
    offers_maps: bool


class _Told(_Answer):
    """An output, and which array of the message is its own."""

    ms: float | None
    error: str | None
    array: int | None


class _Outputs(_Answer):
    outputs: list[_Told]


def ready_of(message: Message) -> Ready:
    """Raises: MessageError."""
    return _checked(Ready, message, "ready")


def outputs_of(message: Message, batch: Sequence[Loaded]) -> list[Output]:
    """The outputs of some images.

    Raises:
        MessageError: it is no answer to that.
    """
    told = _checked(_Outputs, message, "outputs").outputs
    places = [each.array for each in told if each.array is not None]
    if len(told) != len(batch) or places != list(range(len(message.arrays))):
        raise MessageError(f"{len(told)} outputs and {len(message.arrays)} arrays for {len(batch)} images")
    return [_output(each, message, loaded) for each, loaded in zip(told, batch, strict=True)]


def _output(told: _Told, message: Message, loaded: Loaded) -> Output:
    if told.array is None:
        return Output(None, told.ms, told.error or "no output, and no reason")
    array = message.arrays[told.array]
    hr = loaded.sample.hr
    if array.ndim != 3 or array.shape[2] != 3 or (hr is not None and array.shape != hr.shape):
        raise MessageError(f"an output of shape {array.shape}")
    if array.dtype == np.uint8:
        return Output(None, told.ms, told.error, array)
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
        raise MessageError("an output with values outside [0, 1]")
    return Output(array, told.ms, told.error)


def maps_of(message: Message) -> list[NDArray[np.uint8]]:
    """The attention maps of one image.

    Raises:
        MessageError: they are none; or what the method raised.
    """
    if message.kind == "failed":
        raise MessageError(f"made no attention maps: {message.fields.get('error')}")
    if message.kind != "maps" or any(each.ndim != 2 or each.dtype != np.uint8 for each in message.arrays):
        raise MessageError("sent what are no attention maps")
    return list(message.arrays)


def _checked(kind: type[_Kind], message: Message, wanted: str) -> _Kind:
    if message.kind != wanted:
        raise MessageError(f"{message.kind!r:.40} in the place of {wanted!r}")
    try:
        return kind.model_validate(message.fields)
    except ValidationError as error:
        raise MessageError(f"{counted(error.error_count(), 'wrong field')}") from error
