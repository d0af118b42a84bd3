"""The verdicts of `facesr-bench check`: what is refused, what is regressed, and how often wrongly."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.results.gate.judge import Answer, SetDifference, judge
from facesr_bench.results.gate.policy import Policy, Rule, read_policy
from facesr_bench.results.gate.sides import Shot, Side
from facesr_bench.results.gate.verdict import Verdict, exit_status
from facesr_bench.results.record import DataRecord, MetricRecord, ProfileRecord, ProtocolRecord
from tests.gate_sides import LPIPS, PSNR, noisy, side, with_shot

VALUES = [24.0 + 0.1 * i for i in range(40)]
WOBBLE = [0.004 * (-1) ** i for i in range(40)]


def shifted(by: float, noise: float = 1.0) -> list[float]:
    return [value + by + noise * wobble for value, wobble in zip(VALUES, WOBBLE, strict=True)]


def psnr(by: float, noise: float = 1.0, **policy: object) -> Answer:
    """The answer where every image gained `by` dB, give or take some thousandths."""
    return judge(side({"psnr": VALUES}), side({"psnr": shifted(by, noise)}, label="new"), Policy().but(**policy))


# What is said


def test_equal_pictures_are_identical() -> None:
    answer = judge(side({"psnr": VALUES}), side({"psnr": VALUES}), Policy())
    assert answer.verdict is Verdict.IDENTICAL
    assert answer.metrics[0].difference == 0


def test_equal_values_of_other_pictures_are_not_called_identical() -> None:
    answer = judge(side({"psnr": VALUES}), side({"psnr": VALUES}, pixels="other"), Policy())
    assert answer.verdict is Verdict.EQUIVALENT
    assert answer.metrics[0].note == "every value is equal, and 40 of 40 pictures are not"


@pytest.mark.parametrize(
    ("gain", "noise", "verdict"),
    [
        (-0.2, 1, Verdict.REGRESSED),
        (-0.002, 1, Verdict.EQUIVALENT),
        (0.002, 1, Verdict.EQUIVALENT),
        (0.2, 1, Verdict.BETTER),
        (-0.05, 1, Verdict.INCONCLUSIVE),
        (0.028, 30, Verdict.NO_WORSE),
        (-0.03, 60, Verdict.INCONCLUSIVE),
    ],
)
def test_a_difference_is_held_against_the_margin(gain: float, noise: float, verdict: Verdict) -> None:
    assert psnr(gain, noise).verdict is verdict


def test_a_tiny_loss_that_a_bare_p_value_would_block_is_equivalent() -> None:
    answer = psnr(-0.002)  # t = 3
    test = answer.metrics[0].test
    assert test is not None
    assert test.p < 0.05
    assert answer.verdict is Verdict.EQUIVALENT


def test_lower_is_better_where_the_card_says_so() -> None:
    old = side({"lpips": [0.3 + v / 1000 for v in VALUES]})
    higher = side({"lpips": [0.32 + v / 1000 for v in VALUES]}, label="new")
    assert judge(old, higher, Policy()).verdict is Verdict.REGRESSED
    assert judge(higher, old, Policy()).verdict is Verdict.BETTER


def test_two_sided_flags_a_rise() -> None:
    assert psnr(0.2, two_sided=True).verdict is Verdict.RISEN
    assert psnr(0.2, two_sided=True).verdict.status == 1
    assert psnr(0.002, two_sided=True).verdict is Verdict.EQUIVALENT
    assert psnr(0.03, 60, two_sided=True).verdict is Verdict.INCONCLUSIVE


def test_a_margin_of_zero_means_exact() -> None:
    exact = Policy(metrics={"psnr": Rule(margin=0)})
    old = side({"psnr": VALUES})
    assert judge(old, side({"psnr": shifted(1e-9)}, label="new"), exact).verdict is Verdict.DIFFERS
    assert judge(old, side({"psnr": VALUES}, pixels="other"), exact).verdict is Verdict.EQUIVALENT


def test_exact_wants_equal_pictures_too() -> None:
    answer = judge(side({"psnr": VALUES}), side({"psnr": VALUES}, pixels="other"), Policy(exact=True))
    assert answer.verdict is Verdict.DIFFERS
    assert "40 of 40 pictures" in answer.notes[0]
    assert judge(side({"psnr": VALUES}), side({"psnr": VALUES}), Policy(exact=True)).verdict is Verdict.IDENTICAL


def test_one_image_says_nothing_of_a_mean() -> None:
    answer = judge(side({"psnr": [24.0]}), side({"psnr": [24.01]}, label="new"), Policy())
    assert answer.verdict is Verdict.INCONCLUSIVE


def test_perfect_images_that_are_so_no_longer_are_a_regression() -> None:
    perfect = side({"psnr": [math.inf, math.inf, 30.0]})
    worse = side({"psnr": [math.inf, 40.0, 30.0]}, label="new")
    assert judge(perfect, worse, Policy()).verdict is Verdict.REGRESSED
    assert judge(worse, perfect, Policy()).verdict is Verdict.BETTER
    assert judge(perfect, perfect, Policy()).verdict is Verdict.IDENTICAL


def test_persons_are_resampled_where_they_are_known() -> None:
    rng = np.random.default_rng(3)
    of_person = np.repeat(0.3 * rng.standard_normal(20), 10)
    people = [f"person{i // 10}" for i in range(200)]
    values = 26 + rng.standard_normal(200)
    known = judge(
        side({"psnr": values.tolist()}, people=people),
        side({"psnr": (values + of_person).tolist()}, people=people, label="new"),
        Policy(),
    ).metrics[0]
    unknown = judge(
        side({"psnr": values.tolist()}), side({"psnr": (values + of_person).tolist()}, label="new"), Policy()
    ).metrics[0]
    assert known.persons == 20
    assert known.interval is not None
    assert unknown.interval is not None
    assert known.interval[1] - known.interval[0] > 2 * (unknown.interval[1] - unknown.interval[0])


def test_every_answer_says_what_it_could_have_seen() -> None:
    one = psnr(-0.03, 60).metrics[0]
    assert one.sd == pytest.approx(0.243, abs=0.001)
    assert one.detectable == pytest.approx(2.487 * 0.243 / math.sqrt(40), rel=0.01)
    assert one.needed == pytest.approx((2.487 * 0.243 / 0.05) ** 2, rel=0.02)
    assert "needs n = 147, there are 40; or a margin of 0.096 dB" in one.note


# Broken images


def test_one_broken_image_that_no_mean_shows_is_a_regression() -> None:
    values = [24.0 + 0.01 * i for i in range(330)]
    broken = list(values)
    broken[7] -= 1.5
    answer = judge(side({"psnr": values}), side({"psnr": broken}, label="new"), Policy())
    assert answer.metrics[0].verdict is Verdict.EQUIVALENT
    assert answer.verdict is Verdict.REGRESSED
    assert answer.guards[0].images == ("face007",)
    assert answer.ranked()[0] == "face007"
    lenient = Policy(metrics={"psnr": Rule(broken=1)})
    assert judge(side({"psnr": values}), side({"psnr": broken}, label="new"), lenient).verdict is Verdict.EQUIVALENT


def test_a_face_that_is_lost_is_not_made_up_for_by_one_that_gained_a_little() -> None:
    values = [24.0 + 0.01 * i for i in range(330)]
    changed = list(values)
    changed[7] -= 12.0
    changed[8] += 1.2
    answer = judge(side({"psnr": values}), side({"psnr": changed}, label="new"), Policy())
    assert answer.verdict is Verdict.REGRESSED
    assert answer.guards[0].images == ("face007",)
    assert "1 stand out, and no other image gained half as much" in answer.guards[0].in_words()
    lenient = Policy(metrics={"psnr": Rule(broken=1)})
    assert not judge(side({"psnr": values}), side({"psnr": changed}, label="new"), lenient).guards[0].regressed
    changed[8] += 5.0
    assert not judge(side({"psnr": values}), side({"psnr": changed}, label="new"), Policy()).guards[0].regressed


def test_images_that_lose_much_where_as_many_gain_as_much_are_noise() -> None:
    old, new = noisy(np.random.default_rng(2), 330, sd=0.8)
    guards = judge(old, new, Policy()).guards
    assert guards[0].now > 20
    assert guards[0].before > 20
    assert not guards[0].regressed


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"error": "out of memory", "metrics": {}, "pixels": None}, "out of memory"),
        ({"metrics": {}, "reasons": {"psnr": "psnr returned NaN"}}, "NaN"),
        ({"metrics": {}, "reasons": {"psnr": "no face"}, "undetected": ["psnr"]}, "no face found by PSNR: 1 now, 0"),
        ({"constant": True}, "pictures of one colour: 1 now, 0 before"),
    ],
)
def test_an_image_that_fails_only_in_the_candidate_is_a_regression(changes: dict[str, object], said: str) -> None:
    new = with_shot(side({"psnr": shifted(0.001)}, label="new"), "face003", **changes)
    answer = judge(side({"psnr": VALUES}), new, Policy())
    assert answer.verdict is Verdict.REGRESSED
    (guard,) = [guard for guard in answer.guards if guard.regressed]
    assert said in guard.in_words()
    assert guard.images == ("face003",)


def test_faces_that_were_not_found_before_either_are_the_baselines_own_count() -> None:
    lost = {"metrics": {}, "reasons": {"psnr": "no face"}, "undetected": ["psnr"]}
    old = with_shot(side({"psnr": VALUES}), "face003", **lost)
    moved = with_shot(side({"psnr": shifted(0.001)}, label="new"), "face004", **lost)
    answer = judge(old, moved, Policy())
    assert answer.verdict is Verdict.EQUIVALENT
    assert answer.metrics[0].n == 38
    assert answer.guards[0].in_words() == "no face found by PSNR: 1 now, 1 before (face004)"


def test_a_method_that_can_not_run_at_all_is_a_regression() -> None:
    empty = side({"psnr": VALUES}, label="new", error="ImportError: no module named mynet")
    answer = judge(side({"psnr": VALUES}), Side(empty.where, empty.header, {}), Policy())
    assert answer.verdict is Verdict.REGRESSED
    assert "no module named mynet" in answer.guards[0].what


# What is refused


def refusal(old: Side, new: Side, policy: Policy | None = None) -> str:
    answer = judge(old, new, policy or Policy())
    assert answer.verdict is Verdict.REFUSED
    assert answer.verdict.status == 3
    assert not answer.metrics
    return "\n".join(answer.refused)


def test_another_task_is_refused_in_words() -> None:
    old = side({"psnr": VALUES})
    new = {"psnr": shifted(0.1)}
    other = ProtocolRecord(name="toy-x8", scale=4, profile="sparnet")
    assert "another protocol card: scale 8, now 4" in refusal(old, side(new, protocol=other, definition="e" * 16))
    elsewhere = ProtocolRecord(name="helen-x8", scale=8, profile="sparnet")
    assert "helen-x8, and the baseline is of toy-x8" in refusal(old, side(new, protocol=elsewhere))
    assert "another profile: dic" in refusal(old, side(new, profile=ProfileRecord(name="dic")))
    changed = ProfileRecord.model_validate({"name": "sparnet", "quantise": "round"})
    assert "quantise None, now round" in refusal(old, side(new, profile=changed, definition="e" * 16))
    assert "its degradation" in refusal(old, side(new, definition="e" * 16))
    assert "other data" in refusal(old, side(new, data=DataRecord(hash="e" * 64, count=40)))


def test_another_metric_version_or_evaluator_is_refused() -> None:
    old = side({"lpips": VALUES})
    newer = LPIPS.model_copy(update={"version": 2})
    assert "another version of lpips: 2, and the baseline is of 1" in refusal(
        old, side({"lpips": VALUES}, metrics={"lpips": newer})
    )
    retrained = LPIPS.model_copy(update={"weights_sha256": "b" * 64})
    assert "another evaluator of lpips: its network is alex (bbbb" in refusal(
        old, side({"lpips": VALUES}, metrics={"lpips": retrained})
    )


def test_equal_pictures_with_other_values_are_measured_otherwise() -> None:
    """A lower bar, or a metric whose code changed under one version: the method is not what differs."""
    old, same = side({"psnr": VALUES}), side({"psnr": shifted(0.2)})
    assert "psnr is measured otherwise now: 40 of 40 equal pictures have another value (face0" in refusal(old, same)
    # Where the method differs too, its unchanged pictures tell.
    pixels = [f"toy-face{i:03d}" if i < 4 else f"new-{i}" for i in range(40)]
    assert "4 of 4 equal pictures" in refusal(old, side({"psnr": shifted(0.2)}, pixels=pixels, label="new"))
    noise = [value + 1e-4 * (-1) ** i for i, value in enumerate(VALUES)]  # another processor
    assert judge(old, side({"psnr": noise}), Policy()).verdict is Verdict.EQUIVALENT
    assert judge(old, side({"psnr": noise}), Policy(exact=True)).verdict is Verdict.DIFFERS
    infinite = side({"psnr": [-math.inf] * 40})
    assert "face000: -inf, now 24" in refusal(infinite, old)


def test_sides_that_disagree_which_way_is_better_are_refused() -> None:
    flipped = PSNR.model_copy(update={"higher_is_better": False})
    old, new = side({"psnr": VALUES}, metrics={"psnr": flipped}), side({"psnr": shifted(-1.0)}, label="new")
    assert "disagree whether more of it is better" in refusal(old, new)


def test_a_margin_that_the_card_no_longer_has_is_said() -> None:
    loose = PSNR.model_copy(update={"margin": 5.0})
    old, new = side({"psnr": VALUES}, metrics={"psnr": loose}), side({"psnr": shifted(-1.0)}, label="new")
    answer = judge(old, new, Policy(metrics={"psnr": Rule(severity=9)}))
    assert answer.verdict.status == 0
    assert "PSNR: the margin is the baseline's, 5; the metric's card says 0.05 now" in answer.notes
    assert not judge(old, new, Policy(metrics={"psnr": Rule(margin=4.0, severity=9)})).notes


def test_other_images_are_refused_and_never_cut_down_to_what_both_have() -> None:
    old, fewer = side({"psnr": VALUES}), side({"psnr": VALUES[:38]}, label="new")
    said = refusal(old, fewer)
    assert "2 of the baseline's 40 are missing (face038, face039)" in said
    assert "--allow-missing" in said
    allowed = judge(old, fewer, Policy(allow_missing=2))
    assert allowed.verdict.status == 0
    assert "2 of the baseline's 40 are missing (face038, face039)" in allowed.notes[0]
    assert "1 of the candidate's" in refusal(side({"psnr": VALUES[:39]}), side({"psnr": VALUES}, label="new"))


def test_other_persons_and_other_pictures_are_refused() -> None:
    old = side({"psnr": VALUES})
    new = side({"psnr": VALUES}, label="new")
    assert "other identities: 1 of 40" in refusal(old, with_shot(new, "face002", identity="somebody"))
    assert "another crop" in refusal(old, with_shot(new, "face002", given="another"))


def test_a_failed_image_or_a_missing_value_in_the_baseline_is_refused() -> None:
    new = side({"psnr": VALUES}, label="new")
    assert "failed in the baseline: face001: boom" in refusal(
        with_shot(side({"psnr": VALUES}), "face001", error="boom", metrics={}), new
    )
    assert "no value for 1 images of the baseline (face001: returned NaN)" in refusal(
        with_shot(side({"psnr": VALUES}), "face001", metrics={}, reasons={"psnr": "returned NaN"}), new
    )
    with pytest.raises(ValueError, match="NaN"):
        Shot(id="x", metrics={"psnr": math.nan})


def test_a_gated_metric_without_values_is_refused() -> None:
    old = side({"psnr": VALUES, "lpips": VALUES})
    assert "lpips is in the baseline and was not computed now" in refusal(old, side({"psnr": VALUES}, label="new"))
    new = side({"psnr": VALUES, "lpips": VALUES}, label="new")
    for image_id in list(new.images):
        kept = {"psnr": new.images[image_id].metrics["psnr"]}
        new = with_shot(new, image_id, metrics=kept, reasons={"lpips": "needs weights"})
    assert "lpips has no value in the candidate: needs weights" in refusal(old, new)


def test_a_policy_that_matches_nothing_is_refused_with_what_was_meant() -> None:
    said = refusal(side({"psnr": VALUES}), side({"psnr": VALUES}), Policy(metrics={"pnsr": Rule()}))
    assert "the policy matches nothing" in said
    assert "did you mean 'psnr'" in said


def test_an_empty_gate_is_never_green() -> None:
    advisory = Policy(metrics={"psnr": Rule(tier="advisory")})
    answer = judge(side({"psnr": VALUES}), side({"psnr": VALUES}), advisory)
    assert answer.verdict is Verdict.REFUSED
    assert "nothing is gated" in answer.refused[0]
    unknown = MetricRecord(title="Mine", version=1)
    answer = judge(side({"psnr": VALUES}, metrics={"psnr": unknown}), side({"psnr": VALUES}), Policy())
    assert answer.verdict is Verdict.REFUSED
    assert exit_status([]) == 3


def test_a_profile_that_only_reads_better_now_is_no_other_task() -> None:
    wordy = ProfileRecord(name="sparnet", summary="RGB, rounded.", source=("a paper",))
    assert judge(side({"psnr": VALUES}), side({"psnr": VALUES}, profile=wordy), Policy()).verdict is Verdict.IDENTICAL


def test_a_field_that_a_later_release_adds_to_cards_makes_no_other_task() -> None:
    card = {"name": "toy-x8", "scale": 8, "profile": "sparnet"}
    before = ProtocolRecord.model_validate({**card, "crop": {"rule": "box"}})
    now = ProtocolRecord.model_validate({**card, "crop": {"rule": "box", "enlarge_up_to": None}, "novelty": 1})
    old, new = side({"psnr": VALUES}, protocol=before), side({"psnr": VALUES}, protocol=now)
    assert judge(old, new, Policy()).verdict is Verdict.IDENTICAL


# Several metrics


def two(psnr_gain: float, lpips_gain: float, policy: Policy) -> Answer:
    base = [0.3 + 0.001 * i for i in range(40)]
    old = side({"psnr": VALUES, "lpips": base})
    lpips = [value - lpips_gain + 0.001 * (-1) ** i for i, value in enumerate(base)]
    return judge(old, side({"psnr": shifted(psnr_gain), "lpips": lpips}, label="new"), policy)


def test_any_gated_metric_can_regress() -> None:
    assert two(0.2, -0.02, Policy()).verdict is Verdict.REGRESSED
    assert two(0.2, 0.02, Policy()).verdict is Verdict.BETTER


def test_only_the_metrics_that_a_policy_names_are_gated() -> None:
    answer = two(0.2, -0.02, Policy(metrics={"psnr": Rule()}))
    assert answer.verdict is Verdict.BETTER
    assert "LPIPS: not gated" in answer.notes[0]


def test_tiers_advisory_decides_nothing_and_supporting_only_by_a_regression() -> None:
    def policy(tier: str) -> Policy:
        return Policy.model_validate({"metrics": {"psnr": {}, "lpips": {"tier": tier}}})

    assert two(0.2, -0.02, policy("advisory")).verdict is Verdict.BETTER
    assert two(0.2, -0.02, policy("supporting")).verdict is Verdict.REGRESSED
    unsure = -0.003
    assert two(0.2, unsure, policy("critical")).verdict is Verdict.INCONCLUSIVE
    assert two(0.2, unsure, policy("supporting")).verdict is Verdict.BETTER


def test_what_is_supporting_and_not_sure_decides_nothing_by_itself() -> None:
    """An empty gate is never green, and says why."""
    answer = judge(
        side({"psnr": VALUES}),
        side({"psnr": shifted(-0.05)}, label="new"),
        Policy(metrics={"psnr": Rule(tier="supporting")}),
    )
    assert answer.metrics[0].verdict is Verdict.INCONCLUSIVE
    assert answer.verdict is Verdict.REFUSED
    assert answer.refused == ("nothing decides: what is gated is supporting, and not sure",)


def test_a_regression_must_stand_holms_correction() -> None:
    rng = np.random.default_rng(0)
    loss = 0.4 * rng.standard_normal(100)
    loss += 0.05 + 1.9 * loss.std(ddof=1) / 10 - loss.mean()  # 1.9 standard errors beyond the margin: p = .03
    values = (26 + rng.standard_normal(100)).tolist()
    worse = [value - x for value, x in zip(values, loss.tolist(), strict=True)]
    alone = judge(side({"psnr": values}), side({"psnr": worse}, label="new"), Policy(metrics={"psnr": Rule(broken=99)}))
    assert alone.verdict is Verdict.REGRESSED
    both = judge(
        side({"psnr": values, "lpips": values}),
        side({"psnr": worse, "lpips": [v + 1e-4 * (-1) ** i for i, v in enumerate(values)]}, label="new"),
        Policy(metrics={"*": Rule(broken=99)}),
    )
    assert both.metrics[0].p_holm == pytest.approx(2 * (both.metrics[0].p or 0))
    assert both.metrics[0].verdict is Verdict.INCONCLUSIVE
    assert "Holm" in both.metrics[0].note


def test_of_several_answers_1_goes_before_3_before_4_before_0() -> None:
    ok, worse, refused, unsure = Verdict.BETTER, Verdict.REGRESSED, Verdict.REFUSED, Verdict.INCONCLUSIVE
    assert exit_status([ok, unsure, refused, worse]) == 1
    assert exit_status([ok, unsure, refused]) == 3
    assert exit_status([ok, unsure]) == 4
    assert exit_status([ok, unsure], unsure_is_ok=True) == 0
    assert exit_status([ok, refused], unsure_is_ok=True) == 3
    assert exit_status([ok, Verdict.IDENTICAL]) == 0
    for verdict in (Verdict.DIFFERS, Verdict.RISEN):
        assert exit_status([ok, refused, unsure, verdict], unsure_is_ok=True) == 1
    assert exit_status([]) == 3


# Metrics of sets

FID = MetricRecord(title="FID", version=1, of="set", higher_is_better=False, margin=0.5, typed="fid[clean]")


def test_a_metric_of_the_set_is_not_gated_without_features() -> None:
    metrics = {"psnr": PSNR, "fid[clean]": FID}
    old = side({"psnr": VALUES}, metrics=metrics, sets={"fid[clean]": 40.0})
    new = side({"psnr": VALUES}, metrics=metrics, sets={"fid[clean]": 60.0})
    answer = judge(old, new, Policy())
    assert answer.verdict is Verdict.IDENTICAL
    fid = next(one for one in answer.metrics if one.name == "fid[clean]")
    assert fid.difference == 20
    assert "FID: not gated: no features" in answer.notes


@pytest.mark.parametrize(("n", "status"), [(330, 0), (2049, 1)])
def test_a_metric_of_the_set_decides_from_2049_images_on(n: int, status: int) -> None:
    from facesr_bench.results.store import Result

    class Somewhere(Result):
        def __init__(self) -> None:
            pass

    metrics = {"psnr": PSNR, "fid[clean]": FID}
    old, new = (side({"psnr": VALUES}, metrics=metrics, sets={"fid[clean]": value}) for value in (40.0, 60.0))
    there = [Side(one.where, one.header, one.images, Somewhere()) for one in (old, new)]
    answer = judge(there[0], there[1], Policy(), lambda name, a, b: SetDifference(40, 60, (18, 22), n))
    assert answer.verdict.status == status


# Policies


def test_a_policy_is_read_and_says_what_is_misspelt(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text('inconclusive = "ok"\n[metrics.psnr]\nmargin = 0.1\n[metrics."lpips*"]\ntier = "advisory"\n')
    policy = read_policy(path)
    assert policy.inconclusive == "ok"
    rules = policy.rules({"psnr": PSNR, "lpips@vgg": LPIPS})
    assert (rules["psnr"].margin, rules["psnr"].severity) == (0.1, 1.0)
    assert rules["lpips@vgg"].tier == "advisory"
    for wrong, said in (
        ("inconclusiv = 'ok'", "did you mean 'inconclusive'"),
        ("[metrics.psnr]\nmagrin = 1", "did you mean 'margin'"),
        ("[metrics.psnr]\nmargin = -1", "metrics.psnr.margin"),
        ("[metrics.psnr]\ntier = 'vital'", "critical"),
        ("metrics = 3", "metrics"),
        ("exact = 'no'", "exact"),
        ("[metrics.psnr]\nbroken = true", "broken"),
        ("[metrics", "not valid TOML"),
    ):
        path.write_text(wrong)
        with pytest.raises(FaceSRBenchError, match=r"gate\.toml") as caught:
            read_policy(path)
        assert said in str(caught.value)
