"""What a run is asked for, and what it says of itself while it goes on and when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from facesr_bench.base.devices import check_device, torch_device
from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.evaluation import attention
from facesr_bench.plugins.method import PRECISIONS
from facesr_bench.results.store import Result

Resume = Literal["only-missing", "never", "always"]


@dataclass(frozen=True)
class Options:
    """What a run was asked for.

    Attributes:
        resume: `only-missing` computes what has no result yet, failures included; `always` also takes earlier failures
            as final; `never` computes everything anew (the old lines are kept beside the new).
        profile: overrides the protocol's; metrics: likewise.
        batch_size: images per call of a method; none: 8 on a CPU, 16 on a GPU.
        attention: keep the attention maps of so many images of each protocol, from methods that offer them.
        workers: threads that read and prepare images, and as many that score and write; no number depends on it.
        fid_reference: name and file of the statistics that FID compares with, in place of the protocol's own HR images.
    """

    methods: tuple[str, ...]
    protocols: tuple[str, ...]
    data: Mapping[str, Path] = field(default_factory=dict)
    limit: int | None = None
    out: Path = Path("results")
    device: str = "auto"
    batch_size: int | None = None
    resume: Resume = "only-missing"
    precision: str = "fp32"
    profile: str | None = None
    metrics: tuple[str, ...] | None = None
    attention: int = attention.FIRST
    workers: int = 2
    fid_reference: tuple[str, Path] | None = None

    def check(self) -> None:
        """Refuse what can't be meant, before any work is done; names are looked up elsewhere.

        Raises:
            FaceSRBenchError: says which value, and what it must be.
        """
        if self.precision not in PRECISIONS:
            raise FaceSRBenchError(f"precision {self.precision!r}: it must be one of {', '.join(PRECISIONS)}")
        check_device(self.device)
        if self.device.startswith("cuda"):
            torch_device(self.device)
        if self.resume not in get_args(Resume):
            raise FaceSRBenchError(f"resume {self.resume!r}: it must be one of {', '.join(get_args(Resume))}")
        counts = {"limit": self.limit, "workers": self.workers, "batch size": self.batch_size}
        for name, count in counts.items():
            if count is not None and count < 1:
                raise FaceSRBenchError(f"{name} {count}: it must be at least 1")


@dataclass
class Report:
    """What a run did.

    Attributes:
        results: one per (protocol, method) that could be started, in the order asked for.
        computed: images upscaled or scored in this run.
        problems: one line per protocol, method or image that failed.
    """

    results: list[Result] = field(default_factory=list)
    computed: int = 0
    problems: list[str] = field(default_factory=list)


class Progress:
    """Told how far a run is; the command line shows a bar, Python shows nothing."""

    def start(self, protocol: str, total: int) -> None:
        """A protocol begins; `total` images times methods are to be computed."""

    def advance(self, method: str) -> None:
        """One image of one method is done."""
