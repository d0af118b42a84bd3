"""Cards spelled out in words, as (term, sentence) pairs, for a person who has not read the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facesr_bench.results.record import Manifest, ProtocolRecord

_CHANNELS = {
    "rgb": "on all three RGB channels",
    "y-bt601": "on luma, ITU-R BT.601 limited range (16 to 235)",
    "y-full": "on luma, 0.299 R + 0.587 G + 0.114 B (0 to 255)",
}
_LUMA_ROUNDING = {"floor": ", rounded down to whole levels", "round": ", rounded to whole levels", "none": ""}
_CROPS = {
    "none": "The picture as it is.",
    "centre": "The central square of {size} px.",
    "box": "The square box that the dataset gives for each face.",
    "landmarks": (
        "A square around the face landmarks: {enlarge} times the longer side of their box, moved up by {shift_up} "
        "of its height."
    ),
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
        ("Data", f"{dataset.title}, {protocol.split} split, {_count(data.count)}."),
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


def _count(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"


def _sizes(protocol: ProtocolRecord) -> str:
    scale, hr, lr = protocol.scale, protocol.hr_size, protocol.lr_size
    if protocol.source == "lr":
        size = f"{lr} px in" if lr else "As the pictures are"
        return f"{size}, enlarged {scale} times."
    if hr:
        return f"Ground truth {hr} px, low resolution {hr // scale} px: {scale} times smaller."
    return f"As cropped; the low resolution is {scale} times smaller."


def profile_in_words(profile: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How the metrics were computed. A field that this release doesn't know is given as it stands."""
    known = {"name", "summary", "source"}
    pairs = []
    if "quantise" in profile:
        known.add("quantise")
        how = {"round": "rounded", "truncate": "cut off (not rounded)"}.get(profile["quantise"], profile["quantise"])
        pairs.append(("What is scored", f"The 8-bit picture as it would be saved; values are {how}."))
    if "channel" in profile:
        known |= {"channel", "luma_rounding"}
        channel = _CHANNELS.get(profile["channel"], str(profile["channel"]))
        pairs.append(("Colour", f"Computed {channel}{_LUMA_ROUNDING.get(profile.get('luma_rounding', 'none'), '')}."))
    known |= {"psnr_luma_rounding", "psnr_epsilon"}
    if profile.get("psnr_luma_rounding"):
        rounding = _LUMA_ROUNDING[profile["psnr_luma_rounding"]].lstrip(", ") or "not rounded"
        pairs.append(("PSNR only", f"Luma is {rounding}."))
    if profile.get("psnr_epsilon"):
        pairs.append(("PSNR", f"{profile['psnr_epsilon']:g} is added to the mean squared error of values in [0, 1]."))
    if "border" in profile:
        known.add("border")
        border = profile["border"]
        width = "As many px as the scale" if border == "scale" else f"{border} px"
        pairs.append(("Border", f"{width} cut off each side." if border else "Nothing is cut off."))
    if "ssim_window" in profile:
        known |= {key for key in profile if key.startswith("ssim_")}
        pairs.append(("SSIM", _ssim(profile)))
    if "match_statistics" in profile:
        known.add("match_statistics")
        if profile["match_statistics"]:
            pairs.append(("Caution", "Mean and deviation of each channel are first forced to those of the truth."))
    if "lpips_range" in profile:
        known |= {"lpips_range", "lpips_size"}
        pairs.append(("LPIPS", _lpips(profile)))
    if "identity_alignment" in profile:
        known |= {"identity_alignment", "face_detector"}
        pairs.append(("Identity", _identity(profile)))
    if "nme_normaliser" in profile:
        known |= {"nme_normaliser", "nme_average", "fan_decoding"}
        pairs.append(("Landmarks", _landmarks(profile)))
    pairs += [(key, str(value)) for key, value in profile.items() if key not in known]
    sources = profile.get("source") or ()
    if sources:
        pairs.append(("As in", "; ".join([sources] if isinstance(sources, str) else sources)))
    return pairs


def _lpips(profile: Mapping[str, Any]) -> str:
    span = {"minus-one-one": "[-1, 1], as it was trained", "zero-one": "[0, 1], a known deviation"}
    size = profile.get("lpips_size")
    where = f"resized to {size} px" if size else "at the picture's own size"
    return f"Input in {span.get(profile['lpips_range'], profile['lpips_range'])}, {where}."


def _identity(profile: Mapping[str, Any]) -> str:
    how = {
        "hr": "Both faces are aligned by the ground truth's points",
        "each": "Each face is aligned by the points that a detector finds on it",
    }
    aligned = how.get(profile["identity_alignment"], profile["identity_alignment"])
    return f"{aligned}; where there are none, by those that {profile.get('face_detector')} finds."


def _landmarks(profile: Mapping[str, Any]) -> str:
    sizes = {
        "inter-ocular": "the distance of the outer eye corners",
        "inter-pupil": "the distance of the eye centres",
        "box-diagonal": "the diagonal of the landmarks' box",
        "dic": "DIC's eye width, with point numbers off by one (a known bug, kept as a witness)",
    }
    average = {"mean": "Mean distance", "rms": "Root mean square distance"}
    decoding = {"face-alignment": "cut off to whole px, as face-alignment returns them", "exact": "not cut off"}
    what = average.get(str(profile.get("nme_average")), str(profile.get("nme_average")))
    size = sizes.get(profile["nme_normaliser"], profile["nme_normaliser"])
    return f"{what} over {size}; 2DFAN4's points are {decoding.get(str(profile.get('fan_decoding')), 'as decoded')}."


def _ssim(profile: Mapping[str, Any]) -> str:
    sigma = profile.get("ssim_sigma")
    spread = "" if sigma is None else f", \N{GREEK SMALL LETTER SIGMA} = {sigma} px"
    text = f"{str(profile['ssim_window']).capitalize()} window of {profile.get('ssim_size')} px{spread}; "
    text += f"{profile.get('ssim_covariance', 'population')} covariance"
    if profile.get("ssim_downsample"):
        text += "; pictures above 256 px are first averaged down"
    if profile.get("ssim_negative"):
        text += "; on the negative picture (a known bug, kept as a witness)"
    return text + "."
