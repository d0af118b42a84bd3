"""A page of a comparison that stands alone: the table, and the worst images with their error maps."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.base.files import file_name, write_text
from facesr_bench.base.text import one_line
from facesr_bench.images.files import read_image
from facesr_bench.plugins.loading import bundled_folder
from facesr_bench.plugins.profile import Profile
from facesr_bench.report.gate import words
from facesr_bench.report.gate.formats import Report
from facesr_bench.report.maps import ERROR, Mapper, coloured
from facesr_bench.results.gate.judge import Answer, Unanswered
from facesr_bench.results.store import Result

LARGEST = 4 << 20
"""Bytes of a picture that is put into the page; a larger one is named."""


@dataclass(frozen=True)
class Shown:
    """One image: (caption, picture as a data URI; None where it is not on disk), in the order shown."""

    id: str
    change: str
    pictures: Sequence[tuple[str, str | None]]


@dataclass(frozen=True)
class Section:
    """One comparison of the page."""

    heading: str
    verdict: str
    status: int
    headers: Sequence[str]
    lines: Sequence[words.Line]
    remarks: Sequence[str]
    facts: Sequence[str]
    worst: Sequence[Shown]
    best: Sequence[Shown]


def write_page(path: Path, report: Report) -> None:
    """Write the page, whole or not at all.

    Raises:
        ResultsError: it can't be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    reports = bundled_folder("reports")
    environment = Environment(
        loader=FileSystemLoader(reports),
        autoescape=True,  # names and messages are strangers' text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(line=one_line)
    styles = {name: (reports / "site" / f"{name}.css").read_text(encoding="utf-8") for name in ("site", "dark")}
    text = environment.get_template("check.html").render(
        sections=[_section(answer) for answer in report.answers],
        closing=words.closing(report.answers, report.verdict, report.status),
        verdict=report.verdict.value,
        command=report.command,
        styles=styles,
    )
    write_text(path, text)


def _section(answer: Answer | Unanswered) -> Section:
    whole = isinstance(answer, Answer) and not (answer.refused and not answer.metrics)
    lines = words.table(answer) if isinstance(answer, Answer) and whole else []
    facts = [*words.powers(answer), *filter(None, [words.costs(answer)])] if isinstance(answer, Answer) else []
    worst = [_shown(answer, *found) for found in words.worst(answer)] if isinstance(answer, Answer) and whole else []
    best = [_shown(answer, *found) for found in words.best(answer, 3)] if isinstance(answer, Answer) and whole else []
    return Section(
        words.heading(answer),
        answer.verdict.value,
        answer.verdict.status,
        words.HEADERS,
        lines,
        words.remarks(answer),
        facts,
        worst,
        best,
    )


def _shown(answer: Answer, image_id: str, change: str) -> Shown:
    old, new = answer.baseline.result, answer.candidate.result
    pictures = []
    if new is not None:
        name = f"{file_name(image_id)}.png"
        pictures.append(("Given", _uri(new.inputs_folder / "lr" / name)))
        pictures.append(("Truth", _uri(new.inputs_folder / "hr" / name)))
    for caption, result in (("Baseline", old), ("Candidate", new)):
        pictures += _of_result(caption, result, image_id)
    return Shown(image_id, change, [(caption, uri) for caption, uri in pictures if uri is not None])


def _of_result(caption: str, result: Result | None, image_id: str) -> list[tuple[str, str | None]]:
    if result is None:
        return []
    return [(caption, _uri(result.sr_path(image_id))), (f"{caption}: PSNR map", _psnr_map(result, image_id))]


def _psnr_map(result: Result, image_id: str) -> str | None:
    """By the definition and in the colours of every other page; None where there are no pictures to make it of."""
    manifest = result.manifest
    try:
        profile = Profile.recorded(manifest.profile)
        mapper = Mapper(profile, manifest.protocol.scale)
        hr = read_image(result.inputs_folder / "hr" / f"{file_name(image_id)}.png")
        values = mapper.maps(read_image(result.sr_path(image_id)), mapper.reference(hr))[ERROR.name]
    except (ValidationError, FaceSRBenchError):
        return None
    return _data_uri(coloured(values, ERROR.end))


def _uri(path: Path) -> str | None:
    try:
        if path.stat().st_size > LARGEST:
            return None
        data = path.read_bytes()
    except OSError:
        return None
    return _data_uri(data)


def _data_uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"
