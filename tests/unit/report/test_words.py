"""Cards in words: every choice that changes a number is said."""

from __future__ import annotations

from typing import Any

import pytest

from facesr_bench.plugins.profile import profiles
from facesr_bench.report.words import profile_in_words, protocol_in_words
from facesr_bench.results.record import Manifest
from tests.report_fixtures import manifest

PROSE = {"name", "summary", "source"}


@pytest.mark.parametrize("name", sorted(profiles()))
def test_every_profile_reads_as_words_and_not_as_field_names(name: str) -> None:
    words = profile_in_words(profiles()[name].model_dump(mode="json"))
    assert not [term for term, _ in words if "_" in term]
    assert not [text for _, text in words if "None" in text]


def test_profiles_that_differ_read_differently() -> None:
    seen: dict[str, dict[str, Any]] = {}
    for profile in profiles().values():
        words = repr([pair for pair in profile_in_words(profile.model_dump(mode="json")) if pair[0] != "As in"])
        settings = {k: v for k, v in profile.model_dump(mode="json").items() if k not in PROSE}
        assert seen.setdefault(words, settings) == settings, "two settings, one description"


def test_a_field_of_a_later_release_is_given_as_it_stands() -> None:
    assert ("new_field", "7") in profile_in_words({"name": "x", "summary": "", "new_field": 7})


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
