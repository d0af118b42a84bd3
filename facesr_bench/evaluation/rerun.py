"""Level 3 of a bundle: its pictures made anew, by the method that is installed here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from facesr_bench.base.errors import FaceSRBenchError, first_line
from facesr_bench.base.hashing import pixels_sha256
from facesr_bench.base.suggest import is_path
from facesr_bench.evaluation.plan import Entry, Failure, open_entry
from facesr_bench.evaluation.rescore import Heard, Rescored
from facesr_bench.evaluation.setting import Setting
from facesr_bench.evaluation.worker import Worker
from facesr_bench.images.files import read_image
from facesr_bench.plugins.spec import parse_method
from facesr_bench.results.bundle.opened import Sent
from facesr_bench.results.store import Result


@dataclass
class Rerun:
    """What came of it.

    Attributes:
        untried: why it could not be tried.
        problems: which pictures came out otherwise.
    """

    untried: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def rerun(sent: Sent, rescored: Rescored, asked: str | None) -> Rerun:
    """Run the method on the images of a bundle, and compare pixel by pixel.

    Args:
        asked: how the user asks for the method; None: by the name that the bundle gives, if it is installed.

    Raises:
        ResultsError: the folder to work in can't be written.
    """
    outcome = Rerun()
    try:
        text = asked or _spec(sent)
        setting = replace(rescored.setting, options=replace(rescored.setting.options, methods=[text]))
        given = [row.id for row in sent.images.values() if sent.pixels[row.id].lr is not None]
        entry = open_entry(setting, parse_method(text), given)
        if isinstance(entry, Failure):
            raise entry.error
        if (why := _why_another(sent, entry.result)) is not None:
            outcome.untried.append(f"{sent.name}: level 3: {why}")
            return outcome
    except FaceSRBenchError as error:
        why = str(error) if asked else f"{first_line(error)} (--method says how it is asked for here)"
        outcome.untried.append(f"{sent.name}: level 3: {why}")
        return outcome
    if entry.result.manifest.fingerprint != sent.manifest.fingerprint:
        outcome.notes.append(f"{sent.name}: the method, data or release here is not quite the one that made it")
    heard = _made(entry, replace(setting, metrics=[]), outcome, sent)
    if heard is not None:
        _compare(sent, entry.result, heard, outcome)
    return outcome


def _spec(sent: Sent) -> str:
    """How the bundle's method is asked for, by names alone: a stranger's path or argument is never followed."""
    method = sent.manifest.method
    if is_path(method.name) or method.argument_sha256 is not None or ":" in method.name:
        raise FaceSRBenchError(f"the method is {method.name!r} of a file or folder of the sender's; give --method")
    spec = parse_method(method.name)
    card = spec.plugin.require_card()
    if method.weights is None or method.weights == card.default_weights:
        return method.name
    if method.weights not in card.weights:
        raise FaceSRBenchError(
            f"the weights are the sender's file {method.weights!r}; give --method {card.name}@NAME=FILE"
        )
    return f"{method.name}@{method.weights}"


def _why_another(sent: Sent, result: Result) -> str | None:
    """Why the method here can't be the one that made the pictures."""
    here, there = result.manifest.method, sent.manifest.method
    if here.weights_sha256 != there.weights_sha256:
        return f"the weights here have sha256 {here.weights_sha256}, those of the bundle {there.weights_sha256}"
    if here.argument_sha256 != there.argument_sha256:
        return f"what the method is given has sha256 {here.argument_sha256}, in the bundle {there.argument_sha256}"
    return None


def _made(entry: Entry, setting: Setting, outcome: Rerun, sent: Sent) -> Heard | None:
    job, heard = entry.job(setting, ()), Heard(entry.result)
    try:
        with Worker([job], setting) as worker:
            worker.do(job, heard)
    finally:
        heard.close()
    if heard.failure is not None:
        outcome.untried.append(f"{sent.name}: level 3: {heard.failure}")
        return None
    return heard


def _compare(sent: Sent, result: Result, heard: Heard, outcome: Rerun) -> None:
    wrong, furthest, values = [], 0, 0
    for row in sent.good:
        made = heard.rows[row.id]
        if made.error is not None:
            outcome.problems.append(f"{sent.name}: made anew, {row.id} failed: {made.error}")
            return
        picture = read_image(result.sr_path(row.id))
        if pixels_sha256(picture) == sent.pixels[row.id].sr:
            continue
        wrong.append(row.id)
        claimed = read_image(sent.picture(row.id), row.id)
        if claimed.shape == picture.shape:
            difference = np.abs(claimed.astype(np.int16) - picture)
            furthest, values = max(furthest, int(difference.max())), values + int(np.count_nonzero(difference))
    failed = [row.id for row in sent.images.values() if row.error is not None and row.id in heard.rows]
    well = [image_id for image_id in failed if heard.rows[image_id].error is None]
    if well:
        outcome.problems.append(
            f"{sent.name}: made anew, {len(well)} of {len(failed)} images that are said to have failed have not; "
            f"first {well[0]}"
        )
    if wrong:
        random = "" if sent.entry.deterministic else "; the method draws random numbers"
        outcome.problems.append(
            f"{sent.name}: made anew, {len(wrong)} of {len(sent.good)} pictures differ, {values} values by up to "
            f"{furthest} levels; first {wrong[0]}{random}"
        )
