"""Describes the data and metrics of a result as (term, sentence) pairs, for a person who has not read the code."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.base.text import counted
from facesr_bench.plugins.convention import Says
from facesr_bench.plugins.profile import Profile
from facesr_bench.plugins.registry import metrics
from facesr_bench.results.record import Manifest, ProtocolRecord

_CROPS = {
    "none": "The picture as it is.",
    "centre": "The central square of {size} px.",
    "box": "The square box that the dataset gives for each face.",
    "landmarks": (
        "A square around the face landmarks: {enlarge} times the longer side of their box, moved up by {shift_up} "
        "of its height."
    ),
    "ffhq": "Turned and scaled so that eyes, nose and mouth lie as in FFHQ.",
}
_SOURCES = {
    "hr": "Made from the ground truth by {degradation}.",
    "pairs": "As the dataset gives it.",
    "lr": "As the dataset gives it; there is no ground truth.",
}


def protocol_in_words(manifest: Manifest) -> list[tuple[str, str]]:
    """The data of a result and how it was prepared."""
    protocol, dataset, data = manifest.protocol, manifest.dataset, manifest.data
    licence = dataset.licence.rstrip(".")
    pairs = [
        ("Data", f"{dataset.title}, {protocol.split} split, {counted(data.count, 'image')}."),
        ("Licence", f"{licence}."),
    ]
    if protocol.crop.get("rule") in _CROPS:
        pairs.append(("Crop", _CROPS[protocol.crop["rule"]].format_map(protocol.crop)))
    pairs.append(("Sizes", _sizes(protocol)))
    if protocol.source in _SOURCES:
        pairs.append(("Low resolution", _SOURCES[protocol.source].format_map(protocol.model_dump())))
    if protocol.aligned == "ffhq":
        pairs.append(("Alignment", "Faces are aligned as in FFHQ."))
    return pairs


def drawn(parameters: Mapping[str, Any]) -> str:
    """What a degradation drew for one picture: `blur gaussian, window 9, sigma 3.214`."""
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in parameters.items())


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return f"({' '.join(map(_value, value))})" if value else "none"
    return str(value)


def _sizes(protocol: ProtocolRecord) -> str:
    scale, hr, lr = protocol.scale, protocol.hr_size, protocol.lr_size
    if protocol.source == "lr":
        size = f"{lr} px in" if lr else "As the pictures are"
        return f"{size}, enlarged {scale} times."
    if hr:
        return f"Ground truth {hr} px, low resolution {hr // scale} px: {scale} times smaller."
    return f"As cropped; the low resolution is {scale} times smaller."


def profile_in_words(manifest: Manifest) -> list[tuple[str, str]]:
    """How the metrics were computed: what several of them share is said once, under all their titles.

    What this release has no words for is given as it stands.
    """
    profile = manifest.profile.model_dump(mode="json")
    pairs = []
    quantise = Profile.model_fields["quantise"].metadata
    if said := [says.of(profile.get("quantise")) for says in quantise if isinstance(says, Says)]:
        pairs.append(("What is scored", said[0] or str(profile.get("quantise"))))
    titles: dict[str, list[str]] = {}
    for key, metric in manifest.metrics.items():
        for part in _words_today(profile, key) if metric.convention is None else metric.convention:
            titles.setdefault(part, []).append(metric.title or key)
    parts: dict[tuple[str, ...], list[str]] = {}
    for part, sharing in titles.items():
        parts.setdefault(tuple(dict.fromkeys(sharing)), []).append(part)
    pairs += [(", ".join(sharing), _sentence(found)) for sharing, found in parts.items()]
    if not titles:
        pairs += [(key, _as_it_stands(value)) for key, value in profile.items() if isinstance(value, Mapping)]
    pairs += [(k, str(v)) for k, v in profile.items() if k not in Profile.model_fields and not isinstance(v, Mapping)]
    if manifest.profile.source:
        pairs.append(("As in", "; ".join(manifest.profile.source)))
    return pairs


def _words_today(profile: Mapping[str, Any], key: str) -> list[str]:
    """Of a result of a release that stored no words: what today's metric says of the profile; nothing if it can't."""
    name = re.split(r"[\[:@]", key)[0]
    found = [plugin for plugin in metrics().plugins if plugin.name == name and plugin.card is not None]
    try:
        cls, card = found[0].load_class(), found[0].require_card()
        table = card.implementation or name
        words: list[str] = Profile.model_validate(profile).convention(table, cls.Convention, card.convention).words()
    except (IndexError, FaceSRBenchError, ValidationError):
        return []
    return words


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _as_it_stands(table: Mapping[str, Any]) -> str:
    return ", ".join(f"{field} = {value}" for field, value in table.items())
