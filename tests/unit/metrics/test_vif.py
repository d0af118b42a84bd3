"""VIF: the pyramid against pyrtools, the information block by block in plain loops, and pyiqa's other form."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.functional import vif
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize


def pairs(astronaut: Image8) -> dict[str, tuple[Image8, Image8]]:
    """SR and HR."""
    hr = np.ascontiguousarray(astronaut[:128, :128])
    noise = np.random.default_rng(3).normal(0, 20, hr.shape)
    odd = np.ascontiguousarray(astronaut[:97, :131])
    pale = (60 + 0.5 * hr).astype(np.uint8)
    return {
        "enlarged": (resize(resize(hr, (16, 16)), hr.shape[:2]), hr),
        "noisy": (np.clip(hr + noise, 0, 255).astype(np.uint8), hr),
        "mirrored": (np.ascontiguousarray(hr[:, ::-1]), hr),
        "odd sides": (np.roll(odd, 2, 1), odd),
        "contrast": ((1.2 * pale).astype(np.uint8), pale),
    }


def pyrtools_bands(image: Image8) -> list[NDArray[np.float64]]:
    pyrtools: Any = pytest.importorskip("pyrtools")
    pyramid = pyrtools.pyramids.SteerablePyramidSpace(vif.gray(image), 4, 5, "reflect1").pyr_coeffs
    return [pyramid[level, band] for level in (3, 2, 1, 0) for band in (3, 0)]


def by_loops(sr: Image8, hr: Image8) -> float:
    """The definition, block by block, on pyrtools' bands."""
    kept = given = 0.0
    for place, (x, y) in enumerate(zip(pyrtools_bands(hr), pyrtools_bands(sr), strict=True)):
        window = {0: 3, 1: 5, 2: 9, 3: 17}[place // 2]
        rows, columns = x.shape[0] // 3, x.shape[1] // 3
        x, y = x[: 3 * rows, : 3 * columns], y[: 3 * rows, : 3 * columns]  # noqa: PLW2901
        vectors = [x[i : i + 3, j : j + 3].ravel() for i in range(3 * rows - 2) for j in range(3 * columns - 2)]
        covariance = np.cov(np.array(vectors).T)
        inverse, eigenvalues = np.linalg.inv(covariance), np.linalg.eigvalsh(covariance)
        margin = (window - 3) // 2
        wide_x, wide_y = (np.pad(band, margin, mode="reflect") for band in (x, y))
        rim = math.ceil((window - 1) / 2 / 3)
        bits_kept, bits_given = [], []
        for i in range(rim, rows - rim):
            for j in range(rim, columns - rim):
                block = x[3 * i : 3 * i + 3, 3 * j : 3 * j + 3].ravel()
                strength = block @ inverse @ block / 9
                around = [w[3 * i : 3 * i + window, 3 * j : 3 * j + window].ravel() for w in (wide_x, wide_y)]
                (xx, xy), (_, yy) = np.cov(around[0], around[1], ddof=0)
                gain = max(0.0, xy / xx)
                noise = yy - gain * xy
                bits_kept.append(sum(math.log(1 + gain**2 * strength * e / (noise + 0.1)) for e in eigenvalues))
                bits_given.append(sum(math.log(1 + strength * e / 0.1) for e in eigenvalues))
        kept += float(np.mean(bits_kept)) + 1e-4
        given += float(np.mean(bits_given)) + 1e-4
    return kept / given


def test_the_pyramid_is_that_of_pyrtools(astronaut: Image8) -> None:
    for image in (astronaut, np.ascontiguousarray(astronaut[:97, :131])):
        for ours, theirs in zip(vif.pyramid(vif.gray(image)), pyrtools_bands(image), strict=True):
            # The sign of a band is free: it is the same in both pictures.
            assert min(np.abs(ours - theirs).max(), np.abs(ours + theirs).max()) < 1e-10


@pytest.mark.parametrize("name", ["enlarged", "noisy", "mirrored", "odd sides", "contrast"])
def test_equals_the_definition_block_by_block(name: str, astronaut: Image8) -> None:
    sr, hr = pairs(astronaut)[name]
    assert vif.vif(sr, vif.prepare(hr)) == pytest.approx(by_loops(sr, hr), rel=1e-9)


def test_says_what_it_should(astronaut: Image8) -> None:
    of = {name: vif.vif(sr, vif.prepare(hr)) for name, (sr, hr) in pairs(astronaut).items()}
    hr = pairs(astronaut)["enlarged"][1]
    flat = np.full_like(hr, 90)
    assert vif.vif(hr, vif.prepare(hr)) == pytest.approx(1, abs=1e-9)
    assert of["contrast"] > 1 > of["noisy"] > of["enlarged"] > of["mirrored"] > 0
    assert vif.vif(flat, vif.prepare(hr)) < 1e-4
    assert vif.vif(flat, vif.prepare(flat)) == 1, "nothing was there to lose"


def test_pyiqas_is_another_form(astronaut: Image8) -> None:
    """A witness: the same idea with noise of variance 0.4 and other windows gives other numbers of the same order."""
    pytest.importorskip("pyiqa")
    from facesr_bench.functional.pyiqa_metric import PyiqaMetric

    theirs = PyiqaMetric("vif")
    found = {name: (vif.vif(sr, vif.prepare(hr)), theirs.score(sr, hr)) for name, (sr, hr) in pairs(astronaut).items()}
    assert all(1e-3 < abs(ours - other) < 0.2 for ours, other in found.values())


def test_errors_say_what_is_wrong(astronaut: Image8) -> None:
    with pytest.raises(MetricError, match="VIF needs images of 65x65 px or more, not 70x64"):
        vif.prepare(np.ascontiguousarray(astronaut[:64, :70]))
    with pytest.raises(MetricError, match="SR is 70x65 and HR 65x65"):
        vif.vif(np.ascontiguousarray(astronaut[:65, :70]), vif.prepare(np.ascontiguousarray(astronaut[:65, :65])))
    smallest = np.ascontiguousarray(astronaut[:65, :65])
    assert vif.vif(smallest, vif.prepare(smallest)) == pytest.approx(1)
