"""Comparisons in the terminal: a table each, and below it what no table holds."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from facesr_bench.base.text import one_line
from facesr_bench.report.gate import words
from facesr_bench.report.tables.sheet import DASH
from facesr_bench.report.tables.terminal import Column, print_columns
from facesr_bench.results.gate.judge import Answer, Unanswered
from facesr_bench.results.gate.verdict import Verdict

_STYLES = {0: "green", 1: "bold red", 3: "bold red", 4: "yellow"}

UNATTENDED = 160
"""Columns where nobody's terminal says how wide it is: a CI's log, a file."""


def print_answers(answers: Sequence[Answer | Unanswered], console: Console, *, images: bool = False) -> None:
    """Args: images: list the worst and best images too, as `compare` does."""
    if not console.is_terminal:
        console.width = max(console.width, UNATTENDED)
    for answer in answers:
        _print(answer, console, images)
        console.print()


def _print(answer: Answer | Unanswered, console: Console, images: bool) -> None:
    style = _STYLES[answer.verdict.status]
    lines = words.table(answer) if isinstance(answer, Answer) and not _refused(answer) else []
    if lines:
        columns = [
            Column(title, [Text(line.cells[place], _style(line, place)) for line in lines])
            for place, title in enumerate(words.HEADERS)
        ]
        print_columns(
            words.heading(answer), columns[0], columns[1:], [not line.judged.gated for line in lines], console
        )
    else:
        console.print(Text(one_line(words.heading(answer)), style="bold"), soft_wrap=True)
    for remark in words.remarks(answer):
        grave = remark.startswith(("not comparable", "REGRESSED"))
        console.print(Text(one_line(remark), style="bold red" if grave else "yellow"), soft_wrap=True)
    if isinstance(answer, Answer) and lines:
        for fact in [*words.powers(answer), *filter(None, [words.costs(answer)])]:
            console.print(Text(one_line(fact), style="dim"), soft_wrap=True)
        if images:
            _print_images("worst", words.worst(answer), console)
            _print_images("best", words.best(answer), console)
    console.print(Text(answer.verdict.value.upper(), style=style))


def _refused(answer: Answer) -> bool:
    return bool(answer.refused) and not answer.metrics


def _style(line: words.Line, place: int) -> str:
    if words.HEADERS[place] != "Verdict" or not line.judged.gated:
        return ""
    return _STYLES[line.judged.verdict.status]


def _print_images(which: str, found: Sequence[tuple[str, str]], console: Console) -> None:
    if found:
        console.print(Text(f"{which} images:", style="bold"))
    for image_id, change in found:
        console.print(Text(f"  {one_line(image_id)}: {one_line(change)}"), soft_wrap=True)


def print_closing(answers: Sequence[Answer | Unanswered], whole: Verdict, status: int, console: Console) -> None:
    """The line that a check ends with."""
    console.print(Text(words.closing(answers, whole, status), style=_STYLES[status]), soft_wrap=True)


def print_self_test(
    trials: Sequence[tuple[str, Answer]], skipped: Sequence[tuple[str, str]], status: int, console: Console
) -> None:
    """What a method's numbers differ by where nothing but the way of computing does.

    Args:
        trials: (what was other, the answer) of each.
        skipped: (what would have been other, why it could not be tried).
    """
    if not console.is_terminal:
        console.width = max(console.width, UNATTENDED)
    names = ("Trial", "Method", "Metric", "Mean difference", "Largest of an image", "Margin", "Verdict")
    cells: list[list[Text]] = [[] for _ in names]
    for name, answer in trials:
        for one in answer.metrics:
            largest = max(map(abs, one.losses.values()), default=0.0)
            margin = DASH if one.margin is None else f"{one.margin:g}"
            row = [name, f"{answer.label} on {answer.protocol}", one.info.header, f"{abs(one.difference or 0):.3g}"]
            for place, text in enumerate([*row, f"{largest:.3g}", margin, one.verdict.value]):
                cells[place].append(Text(one_line(text)))
    columns = [Column(title, texts) for title, texts in zip(names, cells, strict=True)]
    print_columns(
        "the noise floor: what a margin must exceed", columns[0], columns[1:], [False] * len(cells[0]), console
    )
    for _, answer in trials:
        for remark in words.remarks(answer):
            console.print(Text(one_line(remark), style="yellow"), soft_wrap=True)
    for name, why in skipped:
        console.print(Text(f"not tried: {one_line(name)}: {one_line(why)}", style="yellow"), soft_wrap=True)
    said = "the same again is identical, and every floor is below its margin" if status == 0 else "see above"
    console.print(Text(f"{'OK' if status == 0 else 'NOT OK'}: {said} (exit status {status})", style=_STYLES[status]))
