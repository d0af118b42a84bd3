"""Verifies a bundle: its pictures scored anew (level 2), and made anew (level 3), on this machine.

Nothing of a bundle is ever run: methods, metrics, protocols and profiles are those that are installed here, by name, or
those that the user names.
"""
# ruff: noqa: RUF009 - an option is a descriptor, meant to be shared by all requests

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from facesr_bench.base.devices import exact_numbers
from facesr_bench.base.errors import DataError, FaceSRBenchError, ResultsError
from facesr_bench.base.options import REQUIRED, Choice, Folder, Names, Option, Text, options_of
from facesr_bench.base.process_state import baseline
from facesr_bench.evaluation.described import as_here
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.evaluation.rerun import Rerun, rerun
from facesr_bench.evaluation.rescore import NOT_ASKED_FOR, Rescored, rescore
from facesr_bench.images.files import Image8, read_image
from facesr_bench.images.integrity import why_not_plain
from facesr_bench.results.bundle.archive import Archive
from facesr_bench.results.bundle.opened import Bundle, Sent, inconsistencies, open_archive, opened
from facesr_bench.results.record import CONSISTENT, INTACT, RERUN, RESCORED

_RUN = options_of(RunRequest)


@dataclass(frozen=True)
class VerifyRequest:
    """The options of `facesr-bench verify` and `add`.

    Raises:
        FaceSRBenchError: a value that can't be meant; says what it must be.
    """

    bundle: Option[str | Path, Path] = Folder(REQUIRED, "the bundle")
    _: KW_ONLY
    level: Option[str, str] = Choice(
        "all",
        "0: intact; 1: means recomputed; 2: every metric computed anew from the pictures; 3: the pictures made anew; "
        "all: as far as what is here allows. A level that is asked for and not reached is a failure",
        ("0", "1", "2", "3", "all"),
    )
    data: Option[Mapping[str, str | Path] | None, Mapping[str, Path]] = _RUN["data"]
    metrics: Option[Sequence[str] | None, tuple[str, ...] | None] = Names(
        None,
        "compute only these anew; the others then stay the sender's word. NAME=FILE gives a network's file: "
        "lpips@squeeze=FILE",
        metavar="M,N",
    )
    method: Option[str | None, str | None] = Text(
        None, "how the method is asked for here, for level 3, where that is not its name: ./mynet@weights=FILE"
    )
    protocols: Option[Sequence[str], tuple[str, ...]] = Names(
        (), "dataset folders, for protocols that are not installed", metavar="FOLDER"
    )
    fid_reference: Option[tuple[str, str | Path] | None, tuple[str, Path] | None] = _RUN["fid_reference"]
    device: Option[str, str] = _RUN["device"]
    batch_size: Option[int | None, int | None] = _RUN["batch_size"]
    workers: Option[int, int] = _RUN["workers"].but(help="threads that read, and as many that score")

    @property
    def limit(self) -> int:
        """The level to go to."""
        return RERUN if self.level == "all" else int(self.level)

    @property
    def demanded(self) -> int:
        """The level that must be reached."""
        return CONSISTENT if self.level == "all" else int(self.level)


@dataclass
class Verdict:
    """What was found of one result of a bundle.

    Attributes:
        level: that it reached.
        problems: what contradicts it.
        untried: why a further level could not be tried here.
        notes: what else there is to know.
        rescored: its pictures and numbers as computed here, from level 2 on.
    """

    sent: Sent
    level: int = INTACT
    problems: list[str] = field(default_factory=list)
    untried: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rescored: Rescored | None = None


def decode(data: bytes, name: str) -> Image8:
    """A picture of a bundle.

    Raises:
        DataError: it can't be read, or a browser would show another picture than is scored; names it.
    """
    if (why := why_not_plain(data)) is not None:
        raise DataError(f"{name}: {why}")
    return read_image(data, name)


def open_bundle(path: Path) -> Bundle:
    """Level 0; the caller closes `archive`.

    Raises:
        ResultsError: it is not intact; says why.
    """
    archive: Archive = open_archive(path)
    try:
        return opened(archive, decode)
    except BaseException:
        archive.__exit__(None, None, None)
        raise


def verify(request: VerifyRequest, bundle: Bundle, folder: Path) -> list[Verdict]:
    """Every result of an intact bundle, as far as was asked for.

    Args:
        folder: an empty one to work in.

    Raises:
        ResultsError: it can't be written.
    """
    with exact_numbers(), baseline():
        return [_verify(request, sent, folder / sent.entry.folder) for sent in bundle.results]


def _verify(request: VerifyRequest, sent: Sent, folder: Path) -> Verdict:
    sent, otherwise = as_here(sent)
    verdict = Verdict(sent)
    if request.limit >= CONSISTENT:
        verdict.problems = [*otherwise, *inconsistencies(sent)]
        verdict.level = INTACT if verdict.problems else CONSISTENT
    options = _options(request, sent, folder)
    if request.limit >= RESCORED and verdict.level == CONSISTENT:
        _rescore(verdict, request, options)
    if request.limit >= RERUN and verdict.level == RESCORED:
        _rerun(verdict, request)
    return verdict


def _rescore(verdict: Verdict, request: VerifyRequest, options: RunRequest) -> None:
    sent = verdict.sent
    try:
        rescored = rescore(sent, options, request.metrics)
    except ResultsError:
        raise
    except FaceSRBenchError as error:
        verdict.untried.append(
            f"{sent.name}: level 2: {str(error).splitlines()[0]}"
        )  # how to get data is `list`'s part
        return
    verdict.problems, verdict.rescored = rescored.problems, rescored
    verdict.notes += rescored.notes
    if rescored.problems:
        return
    wanted = {name: why for name, why in rescored.unchecked.items() if why != NOT_ASKED_FOR}
    verdict.untried += [f"{sent.name}: level 2: {name}: {why}" for name, why in wanted.items()]
    if not wanted:
        verdict.level = RESCORED
    elif rescored.checked:
        verdict.untried.append(f"{sent.name}: --metrics {','.join(rescored.checked)} verifies those alone")


def _rerun(verdict: Verdict, request: VerifyRequest) -> None:
    assert verdict.rescored is not None  # level 2 was reached
    again: Rerun = rerun(verdict.sent, verdict.rescored, request.method)
    verdict.notes += again.notes
    verdict.problems += again.problems
    verdict.untried += again.untried
    if not again.problems and not again.untried:
        verdict.level = RERUN


def _options(request: VerifyRequest, sent: Sent, folder: Path) -> RunRequest:
    """What a run would be asked for that scores the same here."""
    method = sent.manifest.method
    return RunRequest(
        methods=[request.method or method.name],
        protocols=request.protocols or [sent.manifest.protocol.name],
        data=request.data,
        out=folder,
        device=request.device,
        batch_size=request.batch_size,
        workers=request.workers,
        precision=method.precision or "fp32",
        backend=method.backend,
        profile=sent.manifest.profile.name,
        assume_aligned=method.assumed_aligned,
        attention=0,
        fid_reference=request.fid_reference,
    )
