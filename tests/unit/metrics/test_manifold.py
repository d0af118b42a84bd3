"""Precision and recall of features: against torch-fidelity, whose order of inputs is told by name here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facesr_bench.base.errors import MetricError
from facesr_bench.functional.manifold import precision, recall
from facesr_bench.plugins import registry


def two_sets(n: int, m: int, spread: float) -> tuple[Any, Any]:
    """SR and HR features: SR narrower and shifted, so that precision is not recall."""
    random = np.random.default_rng(n)
    hr = random.normal(0, 1, (m, 6)).astype(np.float32)
    return (random.normal(0.3, spread, (n, 6))).astype(np.float32), hr


@pytest.mark.parametrize(("n", "m", "spread"), [(40, 60, 0.6), (70, 30, 1.5), (1100, 1300, 0.8)])
def test_equals_torch_fidelity(n: int, m: int, spread: float) -> None:
    torch: Any = pytest.importorskip("torch")
    theirs: Any = pytest.importorskip("torch_fidelity.metric_prc")
    sr, hr = two_sets(n, m, spread)
    generated, real = (torch.from_numpy(features.astype(np.float64)) for features in (sr, hr))
    # The function that does it, with the sets by their meaning; `calculate_precision_recall_full` since 0.4.0.
    expected = theirs.calculate_precision_recall_full(generated, real, neighborhood=3)
    assert (precision(sr, hr), recall(sr, hr)) == pytest.approx(expected, abs=1e-6)
    assert abs(expected[0] - expected[1]) > 0.05


def test_by_hand_on_a_line() -> None:
    """HR at 0, 1, 2, 3, 10: their third neighbours are 3, 2, 2, 3 and 9 away, so all is covered from -3 to 19."""
    hr = np.array([[0.0], [1], [2], [3], [10]], np.float32)
    sr = np.array([[-3.0], [-3.1], [19], [19.1], [5]], np.float32)
    assert precision(sr, hr) == 3 / 5
    # SR's: -3, -3.1, 5, 19, 19.1 reach 22, 22.1, 14, 22, 22.1 away or less: all of HR is covered.
    assert recall(sr, hr) == 1.0


def test_a_narrow_set_is_precise_and_lacks_recall() -> None:
    random = np.random.default_rng(2)
    hr = random.normal(0, 1, (200, 4)).astype(np.float32)
    narrow = (hr.mean(axis=0) + random.normal(0, 0.05, (200, 4))).astype(np.float32)
    assert precision(narrow, hr) == 1.0
    assert recall(narrow, hr) < 0.1
    assert (precision(hr, hr), recall(hr, hr)) == (1.0, 1.0), "also where a vector is its own neighbour's limit"


def test_order_of_pictures_changes_nothing() -> None:
    sr, hr = two_sets(50, 50, 0.7)
    assert precision(sr[::-1], hr[::-1]) == precision(sr, hr)
    assert recall(sr[::-1], hr[::-1]) == recall(sr, hr)


def test_errors_say_what_is_wrong() -> None:
    three, four = np.eye(3, 5, dtype=np.float32), np.eye(4, 5, dtype=np.float32)
    assert precision(three, four) >= 0
    with pytest.raises(MetricError, match="HR: this distance needs at least 4 images, but there are 3"):
        precision(four, three)
    with pytest.raises(MetricError, match="SR: this distance needs at least 4 images, but there are 3"):
        recall(three, four)


def test_both_are_columns_of_fids_features() -> None:
    for name in ("precision", "recall"):
        card = registry.metrics().get(f"{name}-k3").require_card()
        assert (card.implementation, card.options) == ("fid", {"distance": name})
        assert {"clean", "torch-fidelity", "pytorch-fid"} == set(card.variants)
