"""Comparisons as text for programs: JSON, JUnit, GitHub's annotations, markdown, github-action-benchmark's lists."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from facesr_bench.base.as_json import json_text
from facesr_bench.base.text import one_line
from facesr_bench.report.gate import words
from facesr_bench.report.tables.render import md, md_row
from facesr_bench.results.gate.judge import Answer, Judged, Unanswered
from facesr_bench.results.gate.verdict import OK, Verdict, gravest

SCHEMA = 1
"""Version of the JSON; its keys are a stable interface."""


@dataclass(frozen=True)
class Report:
    """What was compared, and what came of it.

    Attributes:
        status: the exit status.
        command: what asks for the same again.
    """

    answers: Sequence[Answer | Unanswered]
    status: int
    command: str = ""

    @property
    def verdict(self) -> Verdict:
        """Of all of it."""
        return gravest(answer.verdict for answer in self.answers)


def as_json(report: Report) -> str:
    """Everything, with numbers at full precision; infinite ones are the texts `inf` and `-inf`."""
    data = {
        "schema": SCHEMA,
        "verdict": report.verdict.value,
        "status": report.status,
        "command": report.command,
        "comparisons": [_comparison(answer) for answer in report.answers],
    }
    return json_text(data)


def _comparison(answer: Answer | Unanswered) -> dict[str, Any]:
    head: dict[str, Any] = {"protocol": answer.protocol, "label": answer.label, "verdict": answer.verdict.value}
    head["refused"] = list(answer.refused)
    if isinstance(answer, Unanswered):
        return head
    sides = {"baseline": answer.baseline, "candidate": answer.candidate}
    for name, side in sides.items():
        header = side.header
        head[name] = {"label": side.label, "fingerprint": header.fingerprint, "n": header.n, "costs": header.costs}
    return {
        **head,
        "profile": answer.candidate.header.profile.name,
        "metrics": [_metric(one) for one in answer.metrics],
        "guards": [
            {
                "what": guard.what,
                "metric": guard.metric,
                "before": guard.before,
                "now": guard.now,
                "regressed": guard.regressed,
                "images": list(guard.images),
            }
            for guard in answer.guards
        ],
        "notes": list(answer.notes),
        "worst": [{"image": image_id, "change": change} for image_id, change in words.worst(answer)],
    }


def _metric(one: Judged) -> dict[str, Any]:
    test = one.test
    return {
        "name": one.name,
        "unit": one.info.unit,
        "higher_is_better": one.info.higher_is_better,
        "tier": one.tier,
        "verdict": one.verdict.value,
        "gated": one.gated,
        "not_gated": one.not_gated,
        "margin": one.margin,
        "baseline": one.baseline,
        "candidate": one.candidate,
        "difference": one.difference,
        "interval": None if one.interval is None else list(one.interval),
        "n": one.n,
        "persons": one.persons,
        "sd": one.sd,
        "detectable": one.detectable,
        "needed": one.needed,
        "p": one.p,
        "p_holm": one.p_holm,
        "wilcoxon": None if test is None else {"p": test.p, "p_holm": one.wilcoxon_holm, "effect": test.effect},
        "note": one.note,
    }


def as_junit(report: Report) -> str:
    """A test suite per comparison, a test case per gated metric and kind of broken image."""
    root = ElementTree.Element("testsuites", name="facesr-bench check")
    for answer in report.answers:
        cases = list(_cases(answer))
        suite = ElementTree.SubElement(root, "testsuite", name=one_line(words.heading(answer)))
        row = f"{answer.protocol}.{answer.label}" if answer.protocol else words.name(answer)
        place = one_line(row)
        for name, kind, message in cases:
            case = ElementTree.SubElement(suite, "testcase", classname=place, name=one_line(name))
            if kind:
                ElementTree.SubElement(case, kind, message=one_line(message)).text = one_line(message)
        suite.set("tests", str(len(cases)))
        suite.set("failures", str(sum(kind == "failure" for _, kind, _ in cases)))
        suite.set("errors", str(sum(kind == "error" for _, kind, _ in cases)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _cases(answer: Answer | Unanswered) -> Iterator[tuple[str, str, str]]:
    """(name, `failure`, `error`, `skipped` or nothing, message)."""
    for reason in answer.refused:
        yield "comparable", "error", reason
    if isinstance(answer, Unanswered):
        return
    lenient = answer.policy.inconclusive == "ok"
    for one in answer.metrics:
        if not one.gated or one.tier == "advisory":
            yield one.name, "skipped", one.not_gated or "advisory"
            continue
        wrong = one.deciding is not None and one.verdict.status != OK
        wrong = wrong and not (lenient and one.verdict is Verdict.INCONCLUSIVE)
        yield one.name, "failure" if wrong else "", _sentence(one)
    for guard in answer.guards:
        yield f"broken images: {guard.metric or 'pictures'}", "failure" if guard.regressed else "", guard.in_words()


def _sentence(one: Judged) -> str:
    cells = dict(zip(words.HEADERS, words.cells(one), strict=True))
    said = f"{one.info.title} {one.verdict.value}: {cells['Baseline']} -> {cells['Candidate']}"
    said += f", difference {cells['Difference']} {cells['90 % interval']}, margin {cells['Margin']}"
    return f"{said}; {one.note}" if one.note else said


def as_github(report: Report) -> str:
    """`::error` and `::warning` lines, which GitHub shows on the run and the pull request."""
    lines = []
    for answer in report.answers:
        title = f"{words.name(answer)}: {answer.verdict.value}"
        lines += [_command("error", title, reason) for reason in answer.refused]
        if isinstance(answer, Unanswered):
            continue
        for one in answer.metrics:
            if one.deciding is None or one.tier == "advisory" or one.verdict.status == OK:
                continue
            unsure = one.verdict is Verdict.INCONCLUSIVE and answer.policy.inconclusive == "ok"
            lines.append(_command("warning" if unsure else "error", title, _sentence(one)))
        lines += [_command("error", title, guard.in_words()) for guard in answer.guards if guard.regressed]
    kind = "notice" if report.status == OK else "error"
    lines.append(_command(kind, "facesr-bench check", words.closing(report.answers, report.verdict, report.status)))
    return "\n".join(lines) + "\n"


def _command(kind: str, title: str, message: str) -> str:
    """A workflow command; GitHub reads % and line ends as escapes, and colons and commas in properties too."""
    text = one_line(message).replace("%", "%25")
    name = one_line(title).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={name}::{text}"


def as_markdown(report: Report) -> str:
    """For a job's summary, or a comment on a pull request."""
    lines = [f"### facesr-bench: {report.verdict.value}", ""]
    for answer in report.answers:
        lines += [f"**{md(words.heading(answer))}: {answer.verdict.value}**", ""]
        if isinstance(answer, Answer) and answer.metrics:
            lines += [md_row(words.HEADERS), md_row(["---", *["---:"] * (len(words.HEADERS) - 1)])]
            lines += [md_row([md(cell) for cell in line.cells]) for line in words.table(answer)]
            lines.append("")
        lines += [f"- {md(remark)}" for remark in words.remarks(answer)]
        if isinstance(answer, Answer) and not answer.refused:
            lines += [f"- {md(line)}" for line in words.powers(answer)]
            lines += [f"- {md(cost)}" for cost in filter(None, [words.costs(answer)])]
            worst = [f"| {md(image_id)} | {md(change)} |" for image_id, change in words.worst(answer)]
            if worst:
                lines += ["", "<details><summary>The worst images</summary>", "", "| Image | |", "| --- | --- |"]
                lines += [*worst, "", "</details>"]
        lines.append("")
    lines.append(f"{md(words.closing(report.answers, report.verdict, report.status))}")
    if report.command:
        lines += ["", f"```\n{one_line(report.command)}\n```"]
    return "\n".join(lines) + "\n"


def as_benchmark(report: Report, *, bigger: bool) -> str:
    """The list that github-action-benchmark reads, of the metrics whose direction is the one asked for."""
    found = [
        {
            "name": f"{answer.protocol} / {answer.label} / {one.name}",
            "unit": one.info.unit or "1",
            "value": one.candidate,
            "range": "" if one.sd is None else f"{one.detectable or 0:.3g}",
            "extra": f"{one.verdict.value}, n = {one.n}, baseline {one.baseline}",
        }
        for answer in report.answers
        if isinstance(answer, Answer)
        for one in answer.metrics
        if one.info.higher_is_better is bigger and one.candidate is not None and math.isfinite(one.candidate)
    ]
    return json_text(found)


FORMATS: dict[str, Callable[[Report], str]] = {
    "json": as_json,
    "junit": as_junit,
    "github": as_github,
    "markdown": as_markdown,
    "benchmark-bigger": lambda report: as_benchmark(report, bigger=True),
    "benchmark-smaller": lambda report: as_benchmark(report, bigger=False),
}
"""By the name that `--format` knows."""
