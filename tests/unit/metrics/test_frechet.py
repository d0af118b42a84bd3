"""The Frechet distance: against the square root of the matrix product, the codebases' own, and pencil and paper."""

from __future__ import annotations

import importlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import facesr_bench
from facesr_bench.base.errors import MetricError
from facesr_bench.functional.frechet import BLOCK, Gaussian, frechet_distance

Float = NDArray[np.float64]

SHAPES = {
    "more-images-than-features": ((200, 24), (150, 24)),
    "fewer-images-than-features": ((20, 64), (33, 64)),
    "as-many-as-features": ((40, 40), (40, 40)),
    "one-side-fewer": ((12, 32), (90, 32)),
    "two-images": ((2, 16), (2, 16)),
    "one-feature": ((9, 1), (7, 1)),
}


def draw(shape: tuple[int, int], seed: int, shift: float = 0.0) -> Float:
    """Correlated features with a decaying spectrum, as Inception's are."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((shape[1], shape[1])) / np.arange(1, shape[1] + 1)[:, None]
    features: Float = random.standard_normal(shape) @ mixing + shift
    return features


def draw_pair(case: str) -> tuple[Float, Float]:
    first, second = SHAPES[case]
    return draw(first, 1), 1.3 * draw(second, 2, shift=0.2)


def low_rank(n: int, d: int, rank: int, seed: int) -> Float:
    random = np.random.default_rng(seed)
    features: Float = random.standard_normal((n, rank)) @ random.standard_normal((rank, d))
    return features


def moments(features: Float) -> tuple[Float, Float]:
    return features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False))


def by_sqrtm(a: Float, b: Float) -> float:
    """The formula as it is written down."""
    (mean_a, cov_a), (mean_b, cov_b) = moments(a), moments(b)
    root = np.trace(scipy.linalg.sqrtm(cov_a @ cov_b)).real
    return float((mean_a - mean_b) @ (mean_a - mean_b) + np.trace(cov_a) + np.trace(cov_b) - 2 * root)


@pytest.fixture
def old_sqrtm(monkeypatch: pytest.MonkeyPatch) -> None:
    """scipy.linalg.sqrtm as pytorch-fid and clean-fid call it: newer SciPy has no `disp`."""
    root = scipy.linalg.sqrtm

    def sqrtm(matrix: Float, disp: bool = True) -> Any:
        return root(matrix) if disp else (root(matrix), 0.0)

    monkeypatch.setattr(scipy.linalg, "sqrtm", sqrtm)


def test_one_dimension_by_hand() -> None:
    # means 1 and 7, variances 2 and 8: (1 - 7)^2 + (sqrt 2 - sqrt 8)^2 = 36 + 2
    assert frechet_distance(np.array([[0.0], [2.0]]), np.array([[5.0], [9.0]])) == pytest.approx(38, rel=1e-14)


def test_commuting_covariances_by_hand() -> None:
    a = Gaussian(np.array([0.0, 0.0, 1.0]), np.diag([4.0, 9.0, 0.0]))
    b = Gaussian(np.array([3.0, 0.0, 1.0]), np.diag([1.0, 0.0, 25.0]))
    # 9 + (2 - 1)^2 + (3 - 0)^2 + (0 - 5)^2
    assert frechet_distance(a, b) == pytest.approx(9 + 1 + 9 + 25, rel=1e-14)


@pytest.mark.parametrize("case", sorted(SHAPES))
def test_equals_the_matrix_square_root(case: str) -> None:
    a, b = draw_pair(case)
    assert frechet_distance(a, b) == pytest.approx(by_sqrtm(a, b), rel=1e-5)


@pytest.mark.parametrize("n", [30, 200])
def test_rank_deficient(n: int) -> None:
    a, b = low_rank(n, 40, 5, seed=1), low_rank(n, 40, 7, seed=2)
    # In coordinates of the 12 dimensions that the two span together, no covariance product is larger than needed.
    basis = np.linalg.svd(np.concatenate([a, b]), full_matrices=False)[2][:12]
    expected = by_sqrtm(a @ basis.T, b @ basis.T)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(Gaussian.from_features(a), b) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("case", sorted(set(SHAPES) - {"one-feature"}))
@pytest.mark.parametrize("peer", ["pytorch_fid.fid_score", "cleanfid.fid", "torch_fidelity.metric_fid"])
def test_equals_the_codebases_own(old_sqrtm: None, peer: str, case: str) -> None:
    theirs = importlib.import_module(peer) if peer.startswith("pytorch_fid") else pytest.importorskip(peer)
    a, b = draw_pair(case)
    if peer == "torch_fidelity.metric_fid":
        stats = [theirs.fid_features_to_statistics(torch.from_numpy(features)) for features in (a, b)]
        expected = theirs.fid_statistics_to_metric(*stats, False)["frechet_inception_distance"]
    else:
        function = getattr(theirs, "calculate_frechet_distance", None) or theirs.frechet_distance
        expected = function(*moments(a), *moments(b))
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("case", sorted(SHAPES))
def test_features_and_statistics_in_any_combination(case: str) -> None:
    a, b = draw_pair(case)
    expected = frechet_distance(a, b)
    of_a, of_b = Gaussian.from_features(a), Gaussian.from_features(b)
    assert of_a.n == len(a)
    for left, right in ((of_a, b), (a, of_b), (of_a, of_b)):
        assert frechet_distance(left, right) == pytest.approx(expected, rel=1e-6)
        assert frechet_distance(right, left) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("case", sorted(SHAPES))
def test_symmetric_and_zero_for_a_set_and_itself(case: str) -> None:
    a, b = draw_pair(case)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)
    assert frechet_distance(a, a) == 0.0
    assert frechet_distance(a, a[::-1]) == pytest.approx(0, abs=1e-12)
    assert frechet_distance(Gaussian.from_features(a), a) == pytest.approx(0, abs=1e-6)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 12), m=st.integers(2, 12), d=st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_never_negative_and_unmoved_by_a_rotation(seed: int, n: int, m: int, d: int) -> None:
    random = np.random.default_rng(seed)
    a, b = random.standard_normal((n, d)), random.standard_normal((m, d)) * 10 ** random.uniform(-3, 3)
    turn = np.linalg.qr(random.standard_normal((d, d)))[0]
    distance = frechet_distance(a, b)
    assert distance >= 0
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(distance, rel=1e-6, abs=1e-6)


def test_identical_images_leave_the_means_distance_and_the_other_sets_variance() -> None:
    same, other = np.full((5, 3), 2.0), draw((30, 3), 4)
    expected = ((same[0] - other.mean(axis=0)) ** 2).sum() + other.var(axis=0, ddof=1).sum()
    assert frechet_distance(same, other) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(Gaussian.from_features(same), other) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(same, same + 1) == pytest.approx(3, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("case", ["more-images-than-features", "fewer-images-than-features"])
def test_narrow_floats_are_computed_on_in_float64(case: str, dtype: type[np.floating[Any]]) -> None:
    a, b = (features.astype(dtype) for features in draw_pair(case))
    assert frechet_distance(a, b) == frechet_distance(a.astype(np.float64), b.astype(np.float64))


def test_a_large_offset_costs_no_precision() -> None:
    a, b = draw_pair("fewer-images-than-features")
    assert frechet_distance(a + 1e4, b + 1e4) == pytest.approx(frechet_distance(a, b), rel=1e-8)


def test_lives_at_the_top_of_the_package() -> None:
    assert facesr_bench.frechet_distance is frechet_distance


GOOD = np.zeros((4, 3))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros(4), r"NxD, one row per image, not of shape \(4,\)"),
        (np.zeros((4, 0)), "NxD"),
        (np.zeros((1, 3)), "at least 2 images, but there are 1"),
        (np.zeros((4, 3), np.int64), "must be floats, not int64"),
        (np.array([[1.0, 2.0, np.nan], [1.0, np.inf, 3.0]]), r"NaN or infinity \(2 of 6 values\)"),
        (np.zeros((4, 5)), "only features of one network"),
        (np.array([[1e200, 0.0, 0.0], [-1e200, 0.0, 0.0]]), "overflow"),
        (np.array([[1e200, 0.0, 0.0]] * 3 + [[-1e200, 0.0, 0.0]]), "overflow"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_bad_features_are_refused(bad: Any, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        frechet_distance(bad, GOOD)
    with pytest.raises(MetricError, match=message):
        frechet_distance(GOOD, bad)


@pytest.mark.parametrize(
    ("mean", "cov", "message"),
    [
        (np.zeros(2), np.eye(3), "not of shapes"),
        (np.zeros((2, 2)), np.eye(2), "not of shapes"),
        (np.zeros(2), np.array([[1.0, 0.5], [0.0, 1.0]]), "not symmetric"),
        (np.array([0, np.nan]), np.eye(2), "the mean's values hold NaN"),
        (np.zeros(2), np.diag([1, np.inf]), "the covariance's values hold NaN or infinity"),
    ],
)
def test_bad_statistics_are_refused(mean: Float, cov: Float, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        Gaussian(mean, cov)


def test_a_matrix_with_negative_eigenvalues_is_no_covariance() -> None:
    with pytest.raises(MetricError, match="eigenvalues"):
        frechet_distance(Gaussian(np.zeros(2), np.array([[1.0, 2.0], [2.0, 1.0]])), np.zeros((4, 2)))


def test_reads_pytorch_fids_statistics(tmp_path: Path) -> None:
    a, b = draw_pair("more-images-than-features")
    mu, sigma = moments(a)
    np.savez_compressed(tmp_path / "ffhq.npz", mu=mu, sigma=sigma)
    stored = Gaussian.from_file(tmp_path / "ffhq.npz")
    assert stored.n is None
    assert frechet_distance(stored, b) == pytest.approx(frechet_distance(a, b), rel=1e-12)


@pytest.mark.parametrize("kind", ["numpy", "numpy-1", "float32", "tensors"])
def test_reads_basicsrs_statistics(tmp_path: Path, kind: str) -> None:
    a, b = draw_pair("more-images-than-features")
    mean, cov = (values.astype(np.float32) if kind == "float32" else values for values in moments(a))
    stored: dict[str, Any] = {"name": "FFHQ", "size": 512, "mean": mean, "cov": cov}
    if kind == "tensors":
        stored |= {"mean": torch.from_numpy(mean), "cov": torch.from_numpy(cov)}
    file = io.BytesIO()
    torch.save(stored, file, _use_new_zipfile_serialization=False)  # as BasicSR's script does
    data = file.getvalue()
    if kind == "numpy-1":
        data = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
        assert b"numpy.core.multiarray" in data
    path = tmp_path / "inception_FFHQ_512.pth"
    path.write_bytes(data)
    tolerance = 1e-5 if kind == "float32" else 1e-12
    assert frechet_distance(Gaussian.from_file(path), b) == pytest.approx(frechet_distance(a, b), rel=tolerance)


class Intruder:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path("intruder-was-here"),)  # type: ignore[return-value]


def test_a_file_that_runs_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"mean": Intruder(), "cov": np.eye(2)}, "bad.pth")
    np.savez("bad.npz", mu=np.array([Intruder()], dtype=object), sigma=np.eye(1))
    for name in ("bad.pth", "bad.npz"):
        with pytest.raises(MetricError, match=name):
            Gaussian.from_file(tmp_path / name)
    assert not Path("intruder-was-here").exists()


def test_files_that_are_no_statistics_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("not numbers")
    (tmp_path / "text.pth").write_text("not numbers")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "empty.pth").touch()
    with (tmp_path / "array.npz").open("wb") as file:
        np.save(file, np.eye(2))
    np.savez(tmp_path / "keys.npz", mean=np.zeros(2), sigma=np.eye(2))
    np.savez(tmp_path / "shapes.npz", mu=np.zeros(2), sigma=np.eye(3))
    np.savez(tmp_path / "whole.npz", mu=np.zeros(2, int), sigma=np.eye(2))
    torch.save({"mu": torch.zeros(2)}, tmp_path / "keys.pth")
    torch.save(torch.zeros(2), tmp_path / "tensor.pth")
    torch.save({"mean": "a", "cov": "b"}, tmp_path / "words.pth")
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps({"mean": 1, "cov": 1}, protocol=2))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 12
    for name in [*names, "absent.npz"]:
        with pytest.raises(MetricError, match=name):
            Gaussian.from_file(tmp_path / name)


def test_large_sets_are_taken_in_blocks() -> None:
    """More rows than a block, not a multiple of it, far from zero: the statistics are numpy's, in any float type."""
    rng = np.random.default_rng(3)
    features = (rng.normal(size=(2 * BLOCK + 77, 12)) * rng.uniform(0.1, 3, 12) + 50).astype(np.float32)
    found = Gaussian.from_features(features)
    exact = features.astype(np.float64)
    assert found.n == len(features)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.cov, np.cov(exact, rowvar=False), rtol=1e-9, atol=1e-12)
    bad = features.copy()
    bad[-1, 3] = np.nan
    with pytest.raises(MetricError, match="NaN or infinity"):
        Gaussian.from_features(bad)
