"""The options of `facesr-bench check`: those of a run, and what its results are held against."""
# ruff: noqa: RUF009 - an option is a descriptor, meant to be shared by all requests

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.base.options import Choice, Count, Flag, Folder, Option, options_of
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.results.gate.policy import Policy, read_policy

_RUN = options_of(RunRequest)

HIDDEN = frozenset({"out", "resume", "attention", "tag", "keep"})
"""Options of a run that a check decides itself; `results` is its `out`."""


@dataclass(frozen=True)
class CheckRequest(RunRequest):
    """What `facesr-bench check` was asked for.

    Raises:
        FaceSRBenchError: a value that can't be meant, or options that contradict each other.
    """

    methods: Option[Sequence[str], tuple[str, ...]] = _RUN["methods"].but(
        default=(), help="run these first, as far as it is not done; without --protocols, on those of their baselines"
    )
    protocols: Option[Sequence[str], tuple[str, ...]] = _RUN["protocols"].but(
        default=(), help="run on these first; without --methods, the methods that have a baseline there"
    )
    shard: Option[str | tuple[int, int] | None, tuple[int, int] | None] = _RUN["shard"].but(
        help="only part I of N of each protocol's images, for one of N machines; give each its own --results, then "
        "`facesr-bench merge`"
    )
    attention: Option[int, int] = _RUN["attention"].but(default=0)
    baseline: Option[str | Path, Path] = Folder(
        Path("reports/baselines"), "a baseline (.jsonl), or a folder of them: <protocol>/<method>.jsonl"
    )
    results: Option[str | Path, Path] = Folder(Path("results"), "the results folder")
    policy: Option[str | Path | None, Path | None] = Folder(None, "a gate.toml: metrics, margins, tiers").but(
        metavar="FILE"
    )
    accept: Option[bool, bool] = Flag("make what is there now the baseline; the only way that one is written")
    exact: Option[bool, bool] = Flag("every picture and every value must be equal")
    two_sided: Option[bool, bool] = Flag("flag a rise above the margin too: what measures may be broken")
    allow_missing: Option[int | None, int | None] = Count(
        None, "images that may be on one side alone; they are counted and named", least=0
    )
    inconclusive: Option[str | None, str | None] = Choice(
        None, "what an answer that is not sure counts as: fail (status 4, the default) or ok", ("fail", "ok")
    )
    self_test: Option[bool, bool] = Flag(
        "run the methods against themselves: again, in other batches, threads, executors: what margins must exceed"
    )

    @property
    def runs(self) -> bool:
        """Whether something is to be run first."""
        return bool(self.methods or self.protocols)

    def decides(self) -> Policy:
        """The policy's file, with what the command line says.

        Raises:
            FaceSRBenchError: the file can't be read, or is not valid.
        """
        policy = read_policy(self.policy) if self.policy is not None else Policy()
        return policy.but(
            exact=self.exact or None,
            two_sided=self.two_sided or None,
            allow_missing=self.allow_missing,
            inconclusive=self.inconclusive,
        )

    def check(self) -> None:
        """Refuse what contradicts itself, or can't be done here, before any work is done.

        Raises:
            FaceSRBenchError: says what.
        """
        super().check()
        if self.accept and self.self_test:
            raise FaceSRBenchError("--accept and --self-test: a self-test makes no baseline; give one of them")
        if self.self_test and not self.methods:
            raise FaceSRBenchError("--self-test needs --methods")

    def of_run(self, methods: Sequence[str], protocols: Sequence[str], **other: Any) -> RunRequest:
        """The run that is to be done first, in the results folder."""
        own = {field.name: getattr(self, field.name) for field in fields(RunRequest)}
        return RunRequest(**{**own, "out": self.results, "methods": methods, "protocols": protocols, **other})
