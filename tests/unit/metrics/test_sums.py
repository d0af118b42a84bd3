"""A mean of values that come in pieces is numpy's to the last bit, whatever the pieces."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.functional import channels, sums
from facesr_bench.functional import psnr as psnr_module
from facesr_bench.functional.psnr import Psnr, PsnrConvention
from facesr_bench.plugins.profile import get_profile, profiles


def in_pieces(values: NDArray[np.float64], random: np.random.Generator) -> list[NDArray[np.float64]]:
    cuts = sorted({0, values.size, *random.integers(0, values.size, int(random.integers(0, 30))).tolist()})
    return [values[start:stop] for start, stop in pairwise(cuts)]


@pytest.mark.parametrize("seed", range(40))
def test_mean_and_deviation_are_numpys(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 2 ** int(random.integers(3, 22))))
    values = np.square(random.normal(0, 10.0 ** int(random.integers(-3, 4)), count))
    found = sums.mean(count, in_pieces(values, random))
    assert found == float(values.mean())
    assert sums.standard_deviation(count, in_pieces(values, random), found) == float(values.std())


@pytest.mark.parametrize("shape", [(500, 700, 3), (3, 500, 700), (1, 900, 800)])
def test_arrays_count_in_the_order_that_they_lie_in_memory(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).random(shape)
    rows = [values[i : i + 1] for i in range(shape[0])]
    assert sums.mean(values.size, rows) == float(values.mean())


def test_nan_and_infinity_stay_what_they_are() -> None:
    assert sums.mean(3, [np.array([1.0, np.inf]), np.array([2.0])]) == np.inf
    assert np.isnan(sums.mean(2, [np.array([np.nan, 1.0])]))


@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize("profile", sorted(profiles()))
def test_psnr_of_strips_is_that_of_the_whole(
    astronaut: NDArray[np.uint8], profile: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hr = np.ascontiguousarray(astronaut[:131, :117])
    noise = np.random.default_rng(1).integers(-20, 21, hr.shape)
    sr = np.clip(hr.astype(int) + noise, 0, 255).astype(np.uint8)
    metric = Psnr(get_profile(profile).convention("psnr", PsnrConvention), 4)
    expected = metric.value(sr, metric.prepare(hr))
    errors = metric.squared_errors(sr, metric.prepare(hr))
    monkeypatch.setattr(channels, "STRIP", rows * hr.shape[1])
    monkeypatch.setattr(psnr_module, "KEPT", 0)
    reference = metric.prepare(hr)
    assert reference.kept is None
    assert metric.value(sr, reference) == expected
    assert np.array_equal(metric.squared_errors(sr, reference), errors)
