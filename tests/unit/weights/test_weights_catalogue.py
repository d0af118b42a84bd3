"""The catalogue: what it promises about files agrees with the libraries that publish them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from facesr_bench.base.errors import WeightsError
from facesr_bench.plugins.cards import WeightsCard
from facesr_bench.weights.catalogue import Entry, EvaluatorCard, entries, evaluators, find

GOOD = {"purpose": "p", "licence": "l", "source": "s", "urls": ("https://example.org/a/net-01234567.pth",)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path))


def test_urls_are_those_of_the_libraries() -> None:
    from face_alignment.detection.sfd.sfd_detector import models_urls
    from pytorch_fid.inception import FID_WEIGHTS_URL
    from torchvision import models

    assert evaluators()["lpips-alex"].urls[0] == models.AlexNet_Weights.IMAGENET1K_V1.url
    assert evaluators()["lpips-vgg"].urls[0] == models.VGG16_Weights.IMAGENET1K_V1.url
    assert evaluators()["vgg19"].urls[0] == models.VGG19_Weights.IMAGENET1K_V1.url
    assert evaluators()["lpips-squeeze"].urls[0] == models.SqueezeNet1_1_Weights.IMAGENET1K_V1.url
    assert evaluators()["fid-inception"].urls[0] == FID_WEIGHTS_URL
    assert evaluators()["s3fd"].urls[0] == models_urls["s3fd"]


def test_the_landmark_network_is_the_one_of_the_installed_face_alignment() -> None:
    from face_alignment import api

    published = getattr(api, "models_urls", None) or api.default_model_urls
    url = published["2DFAN-4"] if isinstance(published["2DFAN-4"], str) else api.default_model_urls["2DFAN-4"]
    assert url in {evaluators()[name].urls[0] for name in ("2dfan4", "2dfan4-torchscript")}


def test_hashes_begin_as_the_file_names_say() -> None:
    counted = 0
    for name, card in evaluators().items():
        if name.startswith("pyiqa-"):
            continue  # pyiqa does not state which hash the digits in its names are of
        for url in card.urls:
            if digits := re.search(r"-([0-9a-f]{8,10})\.", url.rsplit("/", 1)[-1]):
                counted += 1
                assert (card.sha256 or card.sha256_prefix or "").startswith(digits[1]), name
    assert counted >= 7


def test_names_and_files_are_unique() -> None:
    known = entries()
    assert len({entry.name for entry in known}) == len(known)
    assert len({entry.path for entry in known}) == len(known)
    assert {"arcface", "scrfd", "fid-inception", "sparnet@official", "sparnethd-3d@official"} <= {e.name for e in known}


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("arcface", "arcface"),
        ("w600k_r50.onnx", "arcface"),
        ("sparnethd", "sparnethd@official"),
        ("sparnet@official", "sparnet@official"),
        ("SPARNet-V16-S4-epoch20.pth", "sparnet@official"),
    ],
)
def test_find(typed: str, name: str) -> None:
    assert find(typed).name == name


def test_find_says_what_there_is() -> None:
    with pytest.raises(WeightsError, match="did you mean 'fid-inception'"):
        find("fid-incepton")
    with pytest.raises(WeightsError, match="did you mean 'sparnet'"):
        find("sparnt@official")
    with pytest.raises(WeightsError, match="did you mean 'official'"):
        find("sparnet@oficial")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"urls": ()}, "either `urls` or `obtain`"),
        ({"obtain": "ask"}, "either `urls` or `obtain`"),
        ({"urls": (), "obtain": "ask"}, "needs `file`"),
        ({"sha256": "0" * 64, "sha256_prefix": "0" * 8}, "not both"),
        ({"sha256_prefix": "0" * 7}, "sha256_prefix"),
        ({"urls": ("ftp://example.org/a.pth",)}, "urls"),
        ({"urls": ("https://example.org/..",)}, "urls"),
        ({"urls": ("https://example.org/a/",)}, "urls"),
        ({"member": "../net.onnx"}, "member"),
        ({"file": "a/b.pth"}, "file"),
        ({"hash": "x"}, "hash"),
    ],
)
def test_bad_cards_are_refused(change: dict[str, object], problem: str) -> None:
    EvaluatorCard.model_validate(GOOD)
    with pytest.raises(ValidationError, match=problem):
        EvaluatorCard.model_validate({**GOOD, **change})


def test_a_methods_url_must_name_a_file() -> None:
    with pytest.raises(ValidationError, match="url"):
        WeightsCard(url="https://example.org/x/..", licence="", training_data="")


def test_entries_know_their_archive() -> None:
    assert find("arcface").archive == find("scrfd").archive == "buffalo_l.zip"
    assert find("s3fd").archive is None
    assert isinstance(find("arcface"), Entry)
