"""`lr-psnr`: SR reduced as the protocol reduces HR, against the LR that was given."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.metrics
from PIL import Image

from facesr_bench.api import score_folders
from facesr_bench.evaluation import request
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.metrics import Setup, find_metric, opened
from facesr_bench.evaluation.scorer import Scorer
from facesr_bench.images.files import Image8, read_image
from facesr_bench.images.matlab import imresize
from facesr_bench.plugins.degradation import find_degradation
from facesr_bench.plugins.metric import Unavailable
from facesr_bench.plugins.profile import get_profile
from facesr_bench.plugins.sample import Sample
from facesr_bench.results.summary import summarise

SKIMAGE: Any = skimage  # it has no types


def skimages_psnr(a: Image8, b: Image8) -> float:
    return float(SKIMAGE.metrics.peak_signal_noise_ratio(a, b, data_range=255))


def reduced(sr: Image8) -> Image8:
    """By Pillow itself, to an eighth."""
    picture = Image.fromarray(sr)
    return np.asarray(picture.resize((picture.width // 8, picture.height // 8), Image.Resampling.BICUBIC))


def test_a_runs_values_are_skimages_on_pictures_reduced_by_pillow(tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = request.RunRequest(("bicubic", "nearest"), ("demo-x8",), out=out, metrics=("lr-psnr", "psnr"))
    report = runner.run(asked)
    assert report.problems == []
    for result in report.results:
        assert len(result.rows()) == 7
        for name, row in result.rows().items():
            lr = read_image(result.inputs_folder / "lr" / result.sr_path(name).name)
            expected = skimages_psnr(lr, reduced(read_image(result.sr_path(name))))
            assert row.metrics["lr-psnr"] == pytest.approx(expected, abs=1e-10)
    bicubic, nearest = (row.means["lr-psnr"] for row in summarise(report.results))
    assert bicubic != nearest
    info = report.results[0].manifest.metrics["lr-psnr"]
    assert info.convention == ("on all three RGB channels", "SR is reduced by bicubic-pillow")

    # Finished pictures of a protocol get the same number, to the last bit.
    again = score_folders(sr=report.results[0].folder / "sr", protocol="demo-x8", metrics=("lr-psnr",))
    assert float(again.frame["lr-psnr"].iloc[0]) == bicubic


def test_truth_is_consistent_and_another_face_is_not(astronaut: Image8) -> None:
    lr = reduced(astronaut)
    for how, shrink in (("bicubic-pillow", reduced), ("bicubic-matlab", lambda sr: imresize(sr, (24, 24)))):
        setup = Setup(get_profile("sparnet"), 8, degradation=find_degradation(how))
        scorer = Scorer(opened([find_metric("lr-psnr", setup)]))
        prepared = scorer.prepare(Sample("face", shrink(astronaut)))
        assert scorer.score(astronaut, prepared).metrics["lr-psnr"] == math.inf
        turned = np.ascontiguousarray(astronaut[:, ::-1])
        value = scorer.score(turned, prepared).metrics["lr-psnr"]
        assert value == pytest.approx(skimages_psnr(shrink(astronaut), shrink(turned)))
        assert value < 20
    # What is written down twice above differs where it should.
    assert not np.array_equal(lr, imresize(astronaut, (24, 24)))


@pytest.mark.parametrize(
    ("how", "reason"),
    [(None, "here LR is given, and nothing says which resizer made it"), ("gfpgan", "gfpgan draws blur or noise")],
)
def test_where_nothing_says_how_sr_becomes_lr_there_is_a_reason(how: str | None, reason: str) -> None:
    degradation = None if how is None else find_degradation(how)
    metric = find_metric("lr-psnr", Setup(get_profile("sparnet"), 1, degradation=degradation))
    assert isinstance(metric, Unavailable)
    assert reason in metric.reason
