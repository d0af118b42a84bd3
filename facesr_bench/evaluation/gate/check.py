"""`facesr-bench check`: run what is missing, find each baseline's candidate, and judge; or accept it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.evaluation import ready
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.gate.looks import side_of_result
from facesr_bench.evaluation.gate.request import CheckRequest
from facesr_bench.evaluation.request import Progress
from facesr_bench.plugins.spec import parse_method, parse_metric
from facesr_bench.results import baseline as baselines
from facesr_bench.results.gate.judge import Answer, Unanswered, judge
from facesr_bench.results.gate.policy import Policy
from facesr_bench.results.gate.sides import Side
from facesr_bench.results.gate.verdict import exit_status
from facesr_bench.results.store import Result, read_every_result, read_results

Row = tuple[str, str, str]
"""Protocol, profile, label."""


@dataclass
class CheckOutcome:
    """What a check found.

    Attributes:
        answers: one for each pair, in the order of baselines.
        problems: what failed in the run before; the answers say what that means for them.
        accepted: (path, whether it was changed) of the baselines that were written.
        not_accepted: why a result can't be a baseline.
        no_baselines: why there is none at all.
    """

    policy: Policy
    answers: list[Answer | Unanswered] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    accepted: list[tuple[Path, bool]] = field(default_factory=list)
    not_accepted: list[str] = field(default_factory=list)
    no_baselines: str | None = None

    @property
    def status(self) -> int:
        """The exit status."""
        verdicts = (answer.verdict for answer in self.answers)
        return exit_status(verdicts, unsure_is_ok=self.policy.inconclusive == "ok")


def check(request: CheckRequest, progress: Progress | None = None) -> CheckOutcome:
    """Hold results against baselines.

    Raises:
        FaceSRBenchError: wrong usage; what can't be compared is in the outcome.
    """
    request.check()
    outcome = CheckOutcome(request.decides())
    known = _known(request, outcome)
    if outcome.answers and baselines.is_file(request.baseline):
        return outcome
    results = _run(request, known, outcome, progress) if request.runs else None
    if outcome.no_baselines and not results:  # else each of these says so
        outcome.answers.append(Unanswered("", "", (outcome.no_baselines,)))
    pairs = _pairs(request, known, results, outcome)
    for side, result in pairs:
        outcome.answers.append(_answer(side, result, outcome.policy))
    return outcome


def accept(request: CheckRequest, progress: Progress | None = None) -> CheckOutcome:
    """Make what is there now the baseline, and say how it differs from the one before.

    Raises:
        FaceSRBenchError: wrong usage, or there is nothing to accept.
    """
    request.check()
    outcome = CheckOutcome(request.decides())
    known = _known(request, outcome)
    outcome.answers.clear()  # a baseline that can't be read, or is not there, is what accepting mends
    results = _run(request, known, outcome, progress) if request.runs else _there(request, known)
    if not results:
        raise ResultsError("\n".join(["nothing to accept: no such result", *outcome.problems]))
    if baselines.is_file(request.baseline) and len(results) > 1:
        raise ResultsError(f"{request.baseline} is one file, and there are {len(results)} results; name the method")
    for result in results:
        side = side_of_result(result)
        if request.metrics:  # an earlier run may have computed more
            side = side.only({*request.metrics, *(parse_metric(name).typed for name in request.metrics)})
        one = baselines.is_file(request.baseline)
        path = request.baseline if one else baselines.path_of(request.baseline, side)
        before = known.get(_key(side)) if not one else next(iter(known.values()), None)
        if before is not None:
            outcome.answers.append(judge(before, side, outcome.policy))
        try:
            outcome.accepted.append((path, baselines.write(path, side)))
        except ResultsError as error:  # costs the others nothing
            outcome.not_accepted.append(str(error))
    return outcome


def _known(request: CheckRequest, outcome: CheckOutcome) -> dict[Row, Side]:
    """The baselines that are to be held against; one that can't be read is an answer."""
    try:
        one = baselines.is_file(request.baseline)
        paths = [request.baseline] if one else baselines.baselines_in(request.baseline)
    except ResultsError as error:
        outcome.no_baselines = str(error)
        return {}
    found: dict[Row, Side] = {}
    for path in paths:
        try:
            side = baselines.read(path)
        except ResultsError as error:
            outcome.answers.append(Unanswered(path.name, path.parent.name, (str(error),)))
            continue
        why = None if one else baselines.why_misplaced(request.baseline, path, side)
        if why is not None:
            outcome.answers.append(Unanswered(side.label, side.protocol, (why,)))
            continue
        if _key(side) in found:
            reason = f"{path} and {found[_key(side)].where} are baselines of the same row; remove one"
            outcome.answers.append(Unanswered(side.label, side.protocol, (reason,)))
        found[_key(side)] = side
    return found


def _key(side: Side) -> Row:
    return side.protocol, side.header.profile.name, side.label


def _run(
    request: CheckRequest, known: Mapping[Row, Side], outcome: CheckOutcome, progress: Progress | None
) -> list[Result]:
    """Run what is asked for and not done; every result of it, done before or now."""
    found: list[Result] = []
    for protocol, profile, methods, sides in _asked(request, known):
        metrics = request.metrics or _metrics_of(sides) or None
        ran = runner.run(request.of_run(methods, [protocol], metrics=metrics, profile=profile), progress)
        found += ran.results
        outcome.problems += ran.problems
        for reason in ran.not_run.values():
            outcome.answers += [Unanswered(method, protocol, (f"did not run: {reason}",)) for method in methods]
    return found


_Run = tuple[str, str | None, Sequence[str], Sequence[Side]]
"""Protocol, profile (None: its own), methods, and the baselines that they are run for."""


def _asked(request: CheckRequest, known: Mapping[Row, Side]) -> list[_Run]:
    """What is to be run: each protocol under each profile that it has baselines of, unless one is asked for."""
    protocols = request.protocols or tuple(dict.fromkeys(row[0] for row in known)) or ("demo-x8",)
    names = {parse_method(method).plugin.name for method in ready.expand(request.methods)} if request.methods else None
    if baselines.is_file(request.baseline):
        names = None  # one baseline, against which any method can be held
    found: list[_Run] = []
    for protocol in protocols:
        sides = [side for side in known.values() if side.protocol == protocol]
        theirs = [side for side in sides if names is None or side.header.method.name in names]
        if not sides and not request.methods:
            raise FaceSRBenchError(f"no baseline of {protocol} in {request.baseline}; name --methods")
        by_profile: dict[str | None, list[Side]] = {}
        for side in theirs:
            by_profile.setdefault(request.profile or side.header.profile.name, []).append(side)
        for profile, those in by_profile.items():
            asked = dict.fromkeys(side.header.method.asked or side.label for side in those)
            found.append((protocol, profile, request.methods or tuple(asked), those))
    if (found and not request.accept) or not request.methods:  # what is accepted is what was asked for
        return found
    return [
        (protocol, request.profile, request.methods, [side for side in known.values() if side.protocol == protocol])
        for protocol in protocols
    ]


def _metrics_of(sides: Iterable[Side]) -> list[str]:
    """The metrics that baselines hold, as a user asks for them."""
    return list(dict.fromkeys(metric.typed or name for side in sides for name, metric in side.held.items()))


def _there(request: CheckRequest, known: Mapping[Row, Side]) -> list[Result]:
    """The newest results that have a baseline; all of them where there is none at all."""
    results = read_results(request.results).results
    if baselines.is_file(request.baseline) and known:
        ((protocol, profile, label),) = known
        return [r for r in results if r.row == (protocol, profile, label)]
    return [r for r in results if r.row in known] if known else results


def _pairs(
    request: CheckRequest, known: Mapping[Row, Side], results: list[Result] | None, outcome: CheckOutcome
) -> list[tuple[Side, Result]]:
    """Each baseline with its candidate; what has none is an answer."""
    if baselines.is_file(request.baseline):
        (side,) = known.values()
        found = _there(request, known) if results is None else results
        if len(found) > 1:
            raise FaceSRBenchError(f"{request.baseline} is one baseline, and {len(found)} results were asked for")
        if not found:
            outcome.answers.append(_no_result(side, request, outcome))
        return [(side, result) for result in found]
    pairs = []
    if results is None:
        rows = {result.row: result for result in _results(request, outcome)}
        for row, side in known.items():
            if row in rows:
                pairs.append((side, rows[row]))
            else:
                outcome.answers.append(_no_result(side, request, outcome))
        return pairs
    for side in known.values():
        asked = request.profile in (None, side.header.profile.name) and side.protocol in request.protocols
        if asked and not request.methods and _key(side) not in {result.row for result in results}:
            outcome.answers.append(_no_result(side, request, outcome))
    for result in results:
        if result.row in known:
            pairs.append((known[result.row], result))
        else:
            folder = request.baseline
            where = f"in {folder}" if folder.is_dir() else f"({folder}: no such folder of baselines)"
            reason = f"no baseline of it {where}: --accept makes one, --baseline FILE compares it with another's"
            outcome.answers.append(Unanswered(result.label, result.protocol, (reason,)))
    return pairs


def _results(request: CheckRequest, outcome: CheckOutcome) -> list[Result]:
    try:
        stored = read_results(request.results)
    except ResultsError as error:
        outcome.problems.append(str(error))
        return []
    # An older result of the same row, or none, would be held against the baseline in its place.
    outcome.answers += [Unanswered("results", "", (f"can't be read: {why}",)) for why in stored.unreadable]
    last: dict[Row, Result] = {}
    for result in sorted(read_every_result(request.results).results, key=lambda each: each.manifest.order):
        last[result.row] = result
    # A method that could not even be loaded when it was last run is not as good as it was before.
    return [last[result.row] if last[result.row].manifest.error is not None else result for result in stored.results]


def _no_result(side: Side, request: CheckRequest, outcome: CheckOutcome) -> Unanswered:
    why = f": {outcome.problems[0]}" if request.runs and outcome.problems else ""
    hint = "" if request.runs else "; --protocols or --methods runs what is missing"
    return Unanswered(side.label, side.protocol, (f"no result of it in {request.results}{why}{hint}",))


def _answer(side: Side, result: Result, policy: Policy) -> Answer | Unanswered:
    try:
        candidate = side_of_result(result)
    except ResultsError as error:
        return Unanswered(result.label, result.protocol, (str(error),))
    if (why := baselines.why_without_pictures(candidate)) is not None:
        return Unanswered(result.label, result.protocol, (f"{why}; without them nobody sees what was scored",))
    return judge(side, candidate, policy)
