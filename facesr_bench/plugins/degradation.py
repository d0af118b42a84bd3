"""The contract of a degradation: HR in, LR out, with what was drawn on the way."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesr_bench.base.errors import PLUGIN_ERRORS, FaceSRBenchError, PluginError, describe
from facesr_bench.base.process_state import World
from facesr_bench.base.suggest import expanded, is_path
from facesr_bench.images.files import Image8
from facesr_bench.plugins.absent import why_absent
from facesr_bench.plugins.cards import DatasetCard, DegradationCard, ProtocolCard
from facesr_bench.plugins.loading import CARD_FILE
from facesr_bench.plugins.registry import Plugin, degradations, read_plugin


@dataclass(frozen=True)
class DegradationContext:
    """All that decides what a degradation does, beside the picture and its seed.

    Attributes:
        card: the degradation's card.
        scale: HR side over LR side.
    """

    card: DegradationCard
    scale: int


class DegradationBase(ABC):
    """Base of every degradation's class `Degradation`; one object serves many pictures, from several threads."""

    def __init__(self, context: DegradationContext) -> None:
        self.context = context

    @property
    def card(self) -> DegradationCard:
        """The degradation's card."""
        return self.context.card

    @property
    def scale(self) -> int:
        """HR side over LR side."""
        return self.context.scale

    def lr_size(self, hr: Image8) -> tuple[int, int]:
        """(height, width) that LR must have."""
        return hr.shape[0] // self.scale, hr.shape[1] // self.scale

    @abstractmethod
    def degrade(self, hr: Image8, seed: int) -> tuple[Image8, dict[str, Any]]:
        """Degrade one picture: a function of the arguments alone, the same bits on every machine.

        Args:
            hr: HxWx3 uint8, read-only; both sides a multiple of `scale`.
            seed: 0 to 2**64 - 1, what everything random is drawn from; a card that doesn't say `random` ignores it.

        Returns:
            H/scale x W/scale x 3 uint8, and what was drawn, in types that JSON has.

        Raises:
            DataError: it can't be done to a picture of this shape.
        """


def find_degradation(name: str, beside: Path | None = None) -> Plugin[DegradationCard]:
    """The degradation of that name; of a path (`./mine`), the one in that folder.

    Args:
        beside: the folder that a path starts from: that of the card which names it.

    Raises:
        PluginError: unknown or ambiguous name (suggests one), or a folder that holds no degradation.
        CardError: its card is wrong.
    """
    if not is_path(name):
        try:
            plugin = degradations().get(name)
        except PluginError as error:
            raise PluginError(f"{error}{why_absent(name)}", error.details) from error
    else:
        folder = ((beside or Path()) / expanded(name)).resolve()
        if not (folder / CARD_FILE).is_file():
            raise PluginError(f"{folder}: no {CARD_FILE} in it, so it is not a degradation")
        plugin = read_plugin("degradation", folder, "path")
    plugin.require_card()
    return plugin


def degradation_of(protocol: ProtocolCard, dataset: Plugin[DatasetCard]) -> Plugin[DegradationCard] | None:
    """How a protocol of this dataset makes LR of HR; None where LR is given. Errors as `find_degradation`."""
    return None if protocol.degradation is None else find_degradation(protocol.degradation, dataset.folder)


def make_degradation(plugin: Plugin[DegradationCard], scale: int) -> DegradationBase:
    """An object of a plug-in's class.

    Raises:
        PluginError: its code can't be used, or it can't do this scale.
    """
    card = plugin.require_card()
    if card.scales and scale not in card.scales:
        can = ", ".join(f"x{known}" for known in card.scales)
        raise PluginError(f"degradation {card.name} does {can}, not x{scale}")
    cls = plugin.load_class()
    try:
        with World():
            made = cls(DegradationContext(card, scale))
    except FaceSRBenchError:
        raise
    except PLUGIN_ERRORS as error:
        message = f"degradation {card.name} can't be made: {describe(error)}"
        raise PluginError(message, traceback.format_exc()) from error
    if not isinstance(made, DegradationBase):
        raise PluginError(f"{card.name}: class Degradation must derive from facesr_bench.DegradationBase")
    return made


def identity(plugin: Plugin[DegradationCard]) -> dict[str, Any]:
    """What identifies the pictures it makes among those of its name, for the fingerprint of a result.

    A built-in has a version, which is raised whenever a picture could change; its first says nothing, since results
    that are older than versions were made with it. A stranger's code is hashed.
    """
    if plugin.source == "built in":
        version = plugin.require_card().version
        return {"degradation_version": version} if version > 1 else {}
    return {"degradation_code": plugin.code_hash()}
