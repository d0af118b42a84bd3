"""Cards in words: every choice that changes a number is said."""

from __future__ import annotations

import re
from typing import Any

import pytest

from facesr_bench.evaluation.metrics import Setup, find_metric
from facesr_bench.plugins.profile import profiles
from facesr_bench.report.words import profile_in_words, protocol_in_words
from facesr_bench.results.record import Manifest
from tests.report_fixtures import manifest

PROSE = {"name", "summary", "source"}
SEVERAL = ("psnr", "ssim", "lpips", "identity", "identity-dlib", "identity-vqfr", "nme", "nme-dlib", "kid")


def said(name: str) -> list[tuple[str, str]]:
    """The words of a result whose metrics were computed under a profile."""
    metrics = {metric: find_metric(metric, Setup(profiles()[name], 8)).describe() for metric in SEVERAL}
    return profile_in_words(stored(profiles()[name].canonical(), metrics))


def stored(profile: dict[str, Any], metrics: dict[str, Any]) -> Manifest:
    return Manifest.from_json({**manifest(metrics=metrics), "profile": profile})


@pytest.mark.parametrize("name", sorted(profiles()))
def test_every_profile_reads_as_words_and_not_as_field_names(name: str) -> None:
    words = said(name)
    assert not [text for pair in words[:-1] for text in pair if re.search(r"_|None|[{}]", text)]
    assert words[-1][0] == "As in"


def test_profiles_that_differ_read_differently() -> None:
    seen: dict[str, dict[str, Any]] = {}
    for profile in profiles().values():
        words = repr([pair for pair in said(profile.name) if pair[0] != "As in"])
        settings = {k: v for k, v in profile.canonical().items() if k not in PROSE}
        assert seen.setdefault(words, settings) == settings, "two settings, one description"


def test_what_several_metrics_share_is_said_once() -> None:
    words = dict(said("sparnet"))
    assert words["PSNR, SSIM"] == (
        "On luma, ITU-R BT.601 limited range (16 to 235); luma is rounded down to whole levels; nothing is cut off."
    )
    assert words["SSIM"] == "Gaussian window; 11 px wide; \N{GREEK SMALL LETTER SIGMA} = 1.5 px; population covariance."
    assert words["Degrees (VQFR)"] == "The whole picture, not aligned."
    assert words["What is scored"].endswith("cut off (not rounded).")
    assert "dlib finds them" in words["Identity distance (dlib), NME (dlib)"], "whatever the profile says"


def test_a_metrics_own_table_goes_before_what_is_shared() -> None:
    words = dict(said("pyiqa-y"))
    assert "luma is not rounded" in words["PSNR"].lower() and "luma is rounded to whole levels" in words["SSIM"].lower()


def test_results_of_the_first_release_are_said_in_todays_words() -> None:
    old: dict[str, Any] = {"name": "x", "summary": "", "source": [], "quantise": "round"}
    old |= {"pixels": {"channel": "rgb"}, "ssim": {"size": 9}}
    words = dict(profile_in_words(stored(old, {"ssim": {"title": "SSIM"}, "fid[clean]": {}})))
    assert words["SSIM"].startswith("On all three RGB channels; nothing is cut off; gaussian window; 9 px wide")


def test_what_has_no_words_is_given_as_it_stands() -> None:
    profile = {"name": "x", "summary": "", "quantise": "round", "new_field": 7, "ssim": {"size": 9, "new": True}}
    words = profile_in_words(stored(profile, {"mine": {}}))
    assert ("new_field", "7") in words and ("ssim", "size = 9, new = True") in words


@pytest.mark.parametrize(
    ("crop", "expected"),
    [
        ({"rule": "none"}, "The picture as it is."),
        ({"rule": "centre", "size": 178}, "The central square of 178 px."),
        ({"rule": "box"}, "The square box that the dataset gives for each face."),
    ],
)
def test_crops(crop: dict[str, Any], expected: str) -> None:
    card = manifest()
    card["protocol"]["crop"] = crop
    assert ("Crop", expected) in protocol_in_words(Manifest.from_json(card))


def test_given_low_resolution_and_alignment() -> None:
    card = manifest(source="pairs", total=1)
    card["protocol"] |= {"aligned": "ffhq", "hr_size": None}
    words = dict(protocol_in_words(Manifest.from_json(card)))
    assert words["Low resolution"] == "As the dataset gives it."
    assert words["Sizes"] == "As cropped; the low resolution is 8 times smaller."
    assert words["Alignment"] == "Faces are aligned as in FFHQ."
    assert words["Data"].endswith("1 image.")
