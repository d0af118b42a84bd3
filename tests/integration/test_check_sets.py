"""Metrics of the whole set between two results: a paired bootstrap over the features that runs have stored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from facesr_bench.cli import main
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.gate.looks import side_of_result
from facesr_bench.evaluation.gate.sets import _draws, compare_sets
from facesr_bench.evaluation.plan import references_of
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.results.arrays import read_array
from facesr_bench.results.gate.judge import SetDifference, judge
from facesr_bench.results.gate.policy import Policy
from facesr_bench.results.gate.sides import Side
from facesr_bench.results.store import Result
from tests.metric_tools import MEANS
from tests.stored import newest_results

CARD = """
schema_version = 1
kind = "metric"
name = "colours"
title = "Colours"
summary = "How far the mean colours are from those of the ground truth, as a number of the set."
version = 1
of = "set"
higher_is_better = false
range = [0.0, inf]
margin = 1.0
"""


@pytest.fixture
def results(faces: Path, tmp_path: Path) -> list[Result]:
    folder = tmp_path / "colours"
    folder.mkdir()
    (folder / "card.toml").write_text(CARD)
    (folder / "metric.py").write_text(MEANS)
    request = RunRequest(
        ["bicubic", "nearest"],
        ["folder-x8"],
        {"folder-x8": faces},
        out=tmp_path / "out",
        metrics=["psnr", str(folder)],
    )
    return runner.run(request).results


def features(result: Result, side: Side) -> np.ndarray:
    return np.stack([np.load(result.features_path("means-v1", image_id)) for image_id in side.images])


def test_two_results_are_resampled_with_the_same_images(results: list[Result]) -> None:
    old, new = map(side_of_result, results)
    found = compare_sets("colours", old, new)
    assert isinstance(found, SetDifference)
    truth = np.stack([np.load(results[0].inputs_folder / f"references/means-v1/{i}.npy") for i in old.images])
    # Of this metric the value is a mean over images, so that its bootstrap is that of the paired differences.
    losses = [np.abs(features(r, old) - truth).mean(axis=1) for r in results]
    paired = losses[1] - losses[0]
    assert found.candidate - found.baseline == pytest.approx(paired.mean(), abs=1e-5)
    spread = paired.std() / np.sqrt(len(paired))
    assert found.interval[1] - found.interval[0] == pytest.approx(2 * 1.645 * spread, rel=0.35)
    assert found.interval[0] <= paired.mean() <= found.interval[1]


def test_it_is_shown_and_not_gated_below_2049_images(results: list[Result]) -> None:
    old, new = map(side_of_result, results)
    one = next(one for one in judge(old, new, Policy(), compare_sets).metrics if one.name == "colours")
    assert "5 images, and below 2049" in one.not_gated
    assert one.interval is not None
    same = next(one for one in judge(old, old, Policy(), compare_sets).metrics if one.name == "colours")
    assert same.interval == (0, 0)
    (results[1].features_path("means-v1", "face3")).unlink()
    gone = next(one for one in judge(old, new, Policy(), compare_sets).metrics if one.name == "colours")
    assert gone.not_gated == "not compared: no features of 1 of 5 images on disk"


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """The Fréchet distance of two sets of n features each: tr sqrt(Ca Cb) is the nuclear norm of A B^T / (n - 1)."""
    n = len(a)
    means, spread = (a.mean(axis=0), b.mean(axis=0)), (a - a.mean(axis=0), b - b.mean(axis=0))
    traces = sum(float((each**2).sum()) for each in spread) / (n - 1)
    root = np.linalg.norm(spread[0] @ spread[1].T, "nuc") / (n - 1)
    return float(((means[0] - means[1]) ** 2).sum() + traces - 2 * root)


def test_fid_and_kid_between_two_runs(
    faces: Path, tmp_path: Path, inception_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`compare` resamples the features of FID's own network; the interval is that of distances computed by hand."""
    network = f"@inception-2015={inception_weights}"
    out = tmp_path / "out"
    runner.run(
        RunRequest(
            ["bicubic", "nearest"],
            ["folder-x8"],
            {"folder-x8": faces},
            out=out,
            metrics=["psnr", f"fid[pytorch-fid]{network}", f"kid[pytorch-fid]{network}"],
        )
    )
    assert main(["compare", "bicubic", "nearest", "--results", str(out), "--format", "json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["comparisons"]
    found = {one["name"].partition("[")[0]: one for one in answer["metrics"]}
    assert found["fid"]["gated"] is False
    assert "below 2049" in found["fid"]["not_gated"]
    assert found["kid"]["interval"][0] < found["kid"]["difference"] < found["kid"]["interval"][1]

    old, new = sorted(newest_results(out), key=lambda result: result.label)
    (extractor,) = {entry["extractor"] for name, entry in old.sets().items() if name.startswith("fid")}
    ids = sorted(old.images)
    stacks = [
        np.stack([np.asarray(read_array(path(extractor, image_id)), np.float64) for image_id in ids])
        for path in (old.features_path, new.features_path, references_of(old).path)
    ]
    first, second, truth = stacks
    differences = [frechet(second[i], truth[i]) - frechet(first[i], truth[i]) for i in _draws(ids)]
    assert found["fid"]["interval"] == pytest.approx(np.quantile(differences, [0.05, 0.95]), rel=1e-3)
    whole = frechet(second, truth) - frechet(first, truth)
    assert found["fid"]["difference"] == pytest.approx(whole, rel=1e-3)
