"""How often the verdicts of `facesr-bench check` are wrong: A against A, and against a planted loss."""

from __future__ import annotations

import math

import numpy as np
import pytest

from facesr_bench.results.gate.judge import judge
from facesr_bench.results.gate.means import PairedMean
from facesr_bench.results.gate.policy import Policy
from facesr_bench.results.gate.verdict import Verdict
from tests.gate_sides import noisy


def test_intervals_and_ps_agree() -> None:
    rng = np.random.default_rng(9)
    for n in (8, 60):
        losses = (0.05 + 0.2 * rng.exponential(size=n)).tolist()
        mean = PairedMean.of(losses, [None] * n)
        assert mean.interval is not None
        for limit in (mean.interval[0] - 1e-3, mean.interval[0] + 1e-3):
            assert (mean.p_above(limit) < 0.05) == (limit < mean.interval[0])
        for limit in (mean.interval[1] - 1e-3, mean.interval[1] + 1e-3):
            assert (mean.p_below(limit) < 0.05) == (limit > mean.interval[1])


def simulated(rounds: int, n: int, sd: float, loss: float, seed: int = 1) -> dict[Verdict, float]:
    """How often each verdict falls where the true loss is `loss`, as shares."""
    rng = np.random.default_rng(seed)
    found = [judge(*noisy(rng, n, sd, loss), Policy()).verdict for _ in range(rounds)]
    return {verdict: found.count(verdict) / rounds for verdict in Verdict}


ROUNDS = 30
"""Of the short form; the long one has 600."""


@pytest.mark.parametrize("n", [7, 100])
def test_a_against_a_raises_no_alarm(n: int) -> None:
    shares = simulated(ROUNDS, n, sd=0.129, loss=0.0)  # as sparnet against light-3d: E.3
    assert shares[Verdict.REGRESSED] <= 1 / ROUNDS


def test_a_planted_loss_is_found() -> None:
    # At n = 100 the detectable effect beyond the margin is 2.487 * .129 / 10 = .032 dB.
    shares = simulated(ROUNDS, 100, sd=0.129, loss=0.05 + 0.032)
    assert 0.65 <= shares[Verdict.REGRESSED] <= 0.95
    assert simulated(10, 100, sd=0.129, loss=0.2)[Verdict.REGRESSED] == 1


@pytest.mark.full
@pytest.mark.parametrize("n", [7, 20, 100, 330])
def test_false_alarms_and_power_in_the_long_run(n: int) -> None:
    detectable = 2.487 * 0.129 / math.sqrt(n)
    calm = simulated(600, n, 0.129, 0.0)
    edge = simulated(600, n, 0.129, 0.05)
    planted = simulated(600, n, 0.129, 0.05 + detectable)
    assert calm[Verdict.REGRESSED] <= 0.01
    assert edge[Verdict.REGRESSED] <= 0.075  # 5 %, give or take 2.8 standard errors
    passed = sum(edge[verdict] for verdict in (Verdict.EQUIVALENT, Verdict.NO_WORSE, Verdict.BETTER))
    assert passed <= 0.075
    assert planted[Verdict.REGRESSED] >= (0.6 if n < 20 else 0.75)
    print(n, {k: {v.value: s for v, s in d.items() if s} for k, d in (("0", calm), ("edge", edge), ("power", planted))})
