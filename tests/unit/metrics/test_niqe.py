"""NIQE: against what BasicSR's own code gave, pyiqa's port, and the distributions that its features describe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import gennorm

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.functional.niqe import Niqe, asymmetric_gaussian, write_random_file
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize

BY_BASICSR = {"sharp": 11.040297, "noisy": 12.109972, "enlarged": 10.714428, "odd sides": 11.145333}
"""What calculate_niqe of basicsr 1.4.2 gives under `write_random_file`'s parameters (OpenCV 5.0, numpy 2.4)."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_file(tmp_path_factory.mktemp("niqe") / "niqe.npz")


def pictures(astronaut: Image8) -> dict[str, Image8]:
    from skimage import data

    whole: Image8 = data.astronaut()  # type: ignore[no-untyped-call]
    noise = np.random.RandomState(3).normal(0, 20, astronaut.shape)
    return {
        "sharp": astronaut,
        "noisy": np.clip(astronaut + noise, 0, 255).astype(np.uint8),
        "enlarged": resize(resize(astronaut, (24, 24)), (192, 192)),
        "odd sides": np.ascontiguousarray(whole[10:240, 100:411]),
    }


@pytest.mark.parametrize("name", BY_BASICSR)
def test_equals_basicsrs_own_code(name: str, file: Path, astronaut: Image8) -> None:
    # Four blocks have a covariance of rank 3, which enlarges what the order of float32 sums leaves open.
    assert Niqe(file).score(pictures(astronaut)[name]) == pytest.approx(BY_BASICSR[name], rel=2e-4)


def test_equals_pyiqas_port_where_luma_is_the_same(file: Path, astronaut: Image8) -> None:
    theirs: Any = pytest.importorskip("pyiqa.archs.niqe_arch")
    import torch

    held = np.load(file)
    mean, covariance = (torch.from_numpy(held[name]) for name in ("mu_pris_param", "cov_pris_param"))
    found = {}
    for name, picture in pictures(astronaut).items():
        tensor = torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32) / 255)[None]
        both = [float(theirs.calculate_niqe(tensor, 0, True, space, mean, covariance)) for space in ("ycbcr", "yiq")]
        found[name] = (Niqe(file).score(picture), *both)
    for ours, ycbcr, yiq in found.values():
        assert ours == pytest.approx(ycbcr, rel=3e-3), "float64 there, float32 here and in BasicSR"
        assert abs(ours - yiq) > 1e-3, "pyiqa:niqe is another number"


def test_the_moments_find_a_generalised_gaussian_again() -> None:
    for shape in (0.7, 1.0, 2.0, 4.0):
        values = gennorm.rvs(shape, scale=1.5, size=200_000, random_state=1)
        alpha, left, right = asymmetric_gaussian(values)
        assert alpha == pytest.approx(shape, rel=0.05)
        assert left == pytest.approx(1.5, rel=0.05) and right == pytest.approx(1.5, rel=0.05)
    skewed = np.where(values < 0, 0.5 * values, 2 * values)
    assert asymmetric_gaussian(skewed)[2] > 3 * asymmetric_gaussian(skewed)[1]
    assert np.isnan(asymmetric_gaussian(np.ones(9))).all()


def test_errors_say_what_is_wrong(file: Path, tmp_path: Path, astronaut: Image8) -> None:
    with pytest.raises(MetricError, match="room for two blocks of 96x96 px, not 191x100"):
        Niqe(file).score(np.ascontiguousarray(astronaut[:100, :191]))
    with pytest.raises(MetricError, match="no texture"):
        Niqe(file).score(np.full_like(astronaut, 7))
    (tmp_path / "page.npz").write_text("<html>")
    with pytest.raises(WeightsError, match=r"page.npz: not the parameters of NIQE"):
        Niqe(tmp_path / "page.npz")
    np.savez(tmp_path / "other.npz", mu_pris_param=np.zeros((1, 18)))
    with pytest.raises(WeightsError, match=r"mu_pris_param is of shape \(1, 18\); NIQE's parameters have it of shape"):
        Niqe(tmp_path / "other.npz")
