"""Forms of schema 1, read as they are written today: in manifests of old results and in users' old files.

What stands here is history: it changes with nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from facesr_bench.base import hashing

FLAT_PROFILE: dict[str, tuple[str, str, Any]] = {
    "channel": ("pixels", "channel", None),
    "luma_rounding": ("pixels", "luma_rounding", "none"),
    "border": ("pixels", "border", 0),
    "match_statistics": ("pixels", "match_statistics", False),
    "face_detector": ("faces", "detector", "scrfd"),
    "psnr_luma_rounding": ("psnr", "luma_rounding", None),
    "psnr_epsilon": ("psnr", "epsilon", 0.0),
    "ssim_window": ("ssim", "window", "gaussian"),
    "ssim_size": ("ssim", "size", 11),
    "ssim_sigma": ("ssim", "sigma", 1.5),
    "ssim_covariance": ("ssim", "covariance", "population"),
    "ssim_downsample": ("ssim", "downsample", False),
    "ssim_clip_structure": ("ssim", "clip_structure", False),
    "ssim_negative": ("ssim", "negative", False),
    "lpips_range": ("lpips", "range", "minus-one-one"),
    "lpips_size": ("lpips", "size", None),
    "identity_alignment": ("identity", "alignment", "hr"),
    "nme_normaliser": ("nme", "normaliser", "inter-ocular"),
    "nme_average": ("nme", "average", "mean"),
    "fan_decoding": ("nme", "decoding", "face-alignment"),
}
"""Where each field of a flat profile stands today, (table, field), and its default then."""


METRICS: dict[str, dict[str, Any]] = {
    "psnr": {"order": 1, "family": "fidelity", "lead": True},
    "ssim": {"order": 2, "family": "fidelity", "lead": True},
    "lpips": {"family": "perception", "lead": True},
    "fid": {"family": "perception"},
    "kid": {"family": "perception"},
    "pyiqa": {"family": "perception"},
    "identity": {"family": "identity", "lead": True},
    "identity-degrees": {"family": "identity"},
    "identity-dlib": {"family": "identity"},
    "identity-lq": {"family": "identity"},
    "identity-vqfr": {"family": "identity"},
    "nme": {"family": "landmarks", "lead": True},
    "nme-dlib": {"family": "landmarks"},
    "nme-hr": {"family": "landmarks"},
    "nme-hr-dlib": {"family": "landmarks"},
}
"""What the cards of the metrics of that time say today of where they are shown."""


def placed_metrics(described: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What a result says of its metrics, by column, with where they are shown; what says so already is unchanged."""
    return {key: {**METRICS.get(re.split(r"[\[:@]", key)[0], {}), **fields} for key, fields in described.items()}


def nested_profile(profile: Mapping[str, Any]) -> dict[str, Any]:
    """A flat profile in today's form: a table per metric, with what differs from the defaults; any other unchanged."""
    found = {key: value for key, value in profile.items() if key not in FLAT_PROFILE}
    for key, (table, field, default) in FLAT_PROFILE.items():
        # PSNR's own rounding came in only where it differs from the one that both metrics share.
        usual = profile.get("luma_rounding", "none") if key == "psnr_luma_rounding" else default
        if profile.get(key) is not None and profile[key] != usual:
            found.setdefault(table, {})[field] = profile[key]
    return found


_PROTOCOL_DEFAULTS = {"split": "test", "hr_size": None, "lr_size": None, "degradation": None, "aligned": "none"}
_PROTOCOL_PROSE = ("summary", "metrics", "expected_count", "profile")
_CROP_DEFAULTS = {"size": None, "enlarge": None, "shift_up": None}


def canonical_protocol(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """A protocol's card, which schema 1 wrote with its defaults, as `facesr_bench.base.hashing.canonical` has it."""
    found = _without(protocol, _PROTOCOL_DEFAULTS)
    found["crop"] = _without(protocol.get("crop") or {}, _CROP_DEFAULTS)
    return {key: value for key, value in found.items() if key not in _PROTOCOL_PROSE}


def canonical_profile(profile: Mapping[str, Any]) -> dict[str, Any]:
    """A flat profile, without prose, as `facesr_bench.base.hashing.canonical` has it."""
    return {key: value for key, value in nested_profile(profile).items() if key not in PROFILE_PROSE}


PROFILE_PROSE = ("summary", "source")


def _without(card: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in card.items() if key not in defaults or value != defaults[key]}


def fingerprint(manifest: Mapping[str, Any], **today: Any) -> str:
    """The fingerprint that schema 1 gave a result.

    Args:
        manifest: its manifest as it was written; the protocol and profile in it count with all their fields.
        today: the other parts, as this release finds them: method, code, weights, precision, dataset_code, data.
    """
    protocol = {key: value for key, value in manifest["protocol"].items() if key not in _PROTOCOL_PROSE}
    profile = {key: value for key, value in manifest["profile"].items() if key not in PROFILE_PROSE}
    return hashing.fingerprint({"schema": 1, **today, "protocol": protocol, "profile": profile}, pipeline=1)


_CARDS: dict[str, dict[str, Any]] = {
    "method": {
        "kind": "method",
        "implementation": None,
        "scales": [],
        "output_size": None,
        "needs_ffhq_alignment": False,
        "options": {},
    },
    "dataset": {"kind": "dataset", "needs_data": True, "options": {}},
}
_REQUIRED = {"method": {"name", "input"}, "dataset": {"name"}}


def card(kind: str, canonical: Mapping[str, Any]) -> dict[str, Any] | None:
    """What schema 1 hashed of a method's or dataset's card; None for one that says what no card could say then."""
    known = _CARDS[kind]
    return {**known, **canonical} if set(canonical) <= known.keys() | _REQUIRED[kind] else None
