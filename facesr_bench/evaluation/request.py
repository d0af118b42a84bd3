"""The options of a run, its progress, and its outcome."""
# ruff: noqa: RUF009 - an option is a descriptor, meant to be shared by all requests

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesr_bench.base.devices import PRECISIONS, check_device, torch_device
from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.base.grammar import check_suffix
from facesr_bench.base.options import (
    REQUIRED,
    Choice,
    Count,
    Flag,
    Folder,
    NamedFile,
    Names,
    Option,
    Places,
    Seconds,
    Share,
    Text,
    changed,
    options_of,
)

if TYPE_CHECKING:
    from facesr_bench.results.store import Result

RESUME = ("only-missing", "never", "always")
KEEP = ("sr", "none")
BACKENDS = ("torch", "torch-compile", "cuda-graphs", "onnxruntime", "openvino")
EXECUTORS = ("threads", "processes", "ray")
"""Each is the class of that name, with a capital, in the module of `evaluation.executors` of that name."""


def check_tag(text: str) -> None:
    """Refuse a name for results that could be taken for something else in a shell, a table or a path.

    Raises:
        FaceSRBenchError: it is of other characters, or too long.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", text):
        raise FaceSRBenchError(f"tag {text!r}: it must be of letters, digits, and . _ + - behind the first; 64 at most")


@dataclass(frozen=True)
class RunRequest:
    """The options of a run, declared here and nowhere else: `facesr-bench run` and `facesr_bench.run` are made of them.

    Raises:
        FaceSRBenchError: a value that can't be meant; says what it must be. Names are looked up when the run starts.
    """

    methods: Option[Sequence[str], tuple[str, ...]] = Names(
        REQUIRED, "names, name@weights, or plug-in folders; all: every one that is ready and does the protocol's scale"
    )
    protocols: Option[Sequence[str], tuple[str, ...]] = Names(
        ("demo-x8",), "names (see `facesr-bench list protocols`), or dataset folders", metavar="P,Q"
    )
    data: Option[Mapping[str, str | Path] | None, Mapping[str, Path]] = Places(
        None, "where a dataset (or protocol) has its files, by name"
    )
    _: KW_ONLY
    limit: Option[int | None, int | None] = Count(None, "only the first N images of each protocol", least=1)
    shard: Option[str | tuple[int, int] | None, tuple[int, int] | None] = Share(
        None,
        "only part I of N of each protocol's images, for one of N machines; give each an --out of its own, then "
        "`facesr-bench merge`",
    )
    out: Option[str | Path, Path] = Folder(
        Path("results"), "the results folder; finished work in it is used, not computed again"
    )
    device: Option[str, str] = Text("auto", "auto, cpu, cuda, cuda:1", check=check_device)
    batch_size: Option[int | None, int | None] = Count(
        None, "images per call of a method, 8 on a CPU and 16 on a GPU unless given; changes no number", least=1
    )
    resume: Option[str, str] = Choice(
        "only-missing",
        "only-missing: compute what has no result, failures again; always: earlier failures are final too; "
        "never: compute everything anew, the old lines are kept beside the new",
        RESUME,
    )
    precision: Option[str, str] = Choice("fp32", "of networks", PRECISIONS)
    backend: Option[str, str] = Choice(
        "torch",
        "what computes the networks of methods whose card says `exportable`: torch; torch with kernels compiled for "
        "the network (needs a C++ compiler, on a GPU triton) or replayed as CUDA graphs (GPU alone); or another "
        "runtime, from the network as exported once; rows of all but the first are marked, and results of their own",
        BACKENDS,
    )
    profile: Option[str | None, str | None] = Text(
        None, "compute metrics by this convention (a name, or ./FILE.toml) instead of the protocol's own"
    )
    metrics: Option[Sequence[str] | None, tuple[str, ...] | None] = Names(
        None, "instead of the protocol's own; names or folders", metavar="M,N"
    )
    attention: Option[int, int] = Count(
        8,
        "keep the attention maps of the first N images of each protocol, from methods that have them; 0: none",
        least=0,
    )
    executor: Option[str, str] = Choice(
        "threads",
        "who does the work: threads of this process, --workers processes of one thread each, or as many workers of a "
        "Ray cluster",
        EXECUTORS,
    )
    address: Option[str | None, str | None] = Text(
        None, "of the Ray cluster: auto (that of this machine) or HOST:PORT; not given: Ray is started here"
    )
    workers: Option[int, int] = Count(
        2, "threads that read, and as many that score; or the processes or workers of --executor", least=1
    )
    assume_aligned: Option[bool, bool] = Flag(
        "run methods that need FFHQ-aligned faces on protocols that don't promise them: your data is aligned"
    )
    fid_reference: Option[tuple[str, str | Path] | None, tuple[str, Path] | None] = NamedFile(
        None, "name and file of the statistics that FID compares with instead of HR"
    )
    isolate: Option[bool, bool] = Flag(
        "run each method in a process of its own: one that crashes, leaks or ends its process costs itself alone"
    )
    timeout: Option[float | None, float | None] = Seconds(
        None, "seconds that one image may take, else it has failed and the method is loaded again; implies --isolate"
    )
    suffix: Option[str | None, str | None] = Text(
        None, "what stands behind the id in the names of finished pictures, as in ID_00.png: _00", check=check_suffix
    )

    tag: Option[str | None, str | None] = Text(
        None, "a name for the results of this run, by which `history` and `compare` find them again", check=check_tag
    )

    keep: Option[str, str] = Choice(
        "sr",
        "which pictures stay: those made, with their maps, or none, where a million files are unwelcome; then bundles, "
        "figures and metrics that are asked for later are refused",
        KEEP,
    )
    profile_time: Option[bool, bool] = Flag("say where the time went: seconds by stage")

    def chosen(self, ids: Iterable[str]) -> list[str]:
        """Those of a protocol's images that the run is about.

        Args:
            ids: all of them, in the dataset's order.
        """
        part, parts = self.shard or (1, 1)
        # Every N-th: neighbours in a dataset are often alike in size, and so in time.
        return list(ids)[: self.limit][part - 1 :: parts]

    @property
    def isolated(self) -> bool:
        """Whether methods run in processes of their own."""
        return self.isolate or self.timeout is not None

    def check(self) -> None:
        """Refuse what this machine can't do, before any work is done.

        Raises:
            FaceSRBenchError: no such device here, or a library is missing that is needed.
        """
        if self.executor == "ray" and find_spec("ray") is None:
            raise FaceSRBenchError("--executor ray needs ray: pip install 'facesr-bench[ray]'")
        if self.address is not None and self.executor != "ray":
            raise FaceSRBenchError(f"--address {self.address} is that of a Ray cluster: give --executor ray, too")
        if self.backend != "torch":
            from facesr_bench.evaluation import backend

            backend.check(self.backend, self.precision, self.device)
        if self.device.startswith("cuda"):
            torch_device(self.device)

    def as_data(self) -> dict[str, Any]:
        """The methods, the protocols, and every other option that differs from its default, as JSON-able values.

        `RunRequest(**data)` asks for the same again.
        """
        return {"methods": list(self.methods), "protocols": list(self.protocols), **changed(self)}

    def recorded(self) -> dict[str, Any]:
        """The options that a result keeps: as `as_data`, without the folders of this machine.

        Neither is kept what decides only where results lie and what becomes of earlier ones.
        """
        found = {name: value for name, value in changed(self).items() if name not in _NOT_RECORDED}
        if self.fid_reference is not None:
            found["fid_reference"] = {self.fid_reference[0]: self.fid_reference[1].name}
        return found


_NOT_RECORDED = frozenset({"methods", "protocols", "data", "out", "resume", "tag", "suffix", "profile_time", "address"})
"""The first three and the tag have fields of their own in a record; a suffix is written into the methods' arguments."""


_SHARED = options_of(RunRequest)


@dataclass(frozen=True)
class FolderRequest:
    """The options of `facesr-bench score` and `facesr_bench.score_folders`, declared as those of a run are.

    Raises:
        FaceSRBenchError: a value that can't be meant; says what it must be.
    """

    sr: Option[str | Path, Path] = Folder(REQUIRED, "finished pictures")
    hr: Option[str | Path | None, Path | None] = Folder(None, "their ground truth, unless no metric needs it")
    metrics: Option[Sequence[str], tuple[str, ...]] = Names(
        ("psnr", "ssim"), "names (see `facesr-bench list metrics`) or folders", metavar="M,N"
    )
    profile: Option[str | None, str | None] = Text(
        None,
        "the convention: a name (see `facesr-bench list profiles`) or ./FILE.toml; that of the protocol, or sparnet, "
        "unless given",
    )
    _: KW_ONLY
    protocol: Option[str | None, str | None] = Text(
        None,
        "score as a run on this protocol would: its ground truth in place of --hr, its landmarks, profile and scale; "
        "pictures are found by the images' ids",
        metavar="P",
    )
    data: Option[Mapping[str, str | Path] | None, Mapping[str, Path]] = _SHARED["data"]
    landmarks: Option[str | Path | None, Path | None] = Folder(
        None, "NAME.pts of each face in px of HR, or a run's inputs; without them a detector looks for the faces"
    )
    scale: Option[int, int] = Count(8, "HR side over LR side; some profiles cut a border that wide", least=1)
    device: Option[str, str] = _SHARED["device"]
    fid_reference: Option[tuple[str, str | Path] | None, tuple[str, Path] | None] = _SHARED["fid_reference"]
    suffix: Option[str | None, str | None] = _SHARED["suffix"].but(
        help="what stands behind the name in the file names of --sr, as in NAME_00.png: --suffix=_00"
    )


@dataclass(frozen=True)
class Profile:
    """Where the time of a run went.

    Attributes:
        wall: seconds from its begin to its end.
        stages: seconds and calls by stage; of threads and processes that work side by side, the sum.
    """

    wall: float
    stages: Mapping[str, tuple[float, int]]


@dataclass
class RunOutcome:
    """What a run did.

    Attributes:
        methods: those asked for, `all` replaced by what it stands for.
        results: one per (protocol, method) that could be started, in the order asked for.
        computed: images upscaled or scored in this run.
        problems: one line per protocol, method or image that failed.
        mended: one line per damaged file of results that was computed anew.
        metrics: the columns that were asked for, by protocol; none where the protocol could not be run.
        not_run: why a protocol could not be run at all, by its name.
        profile: where its time went, if that was asked for.
        without_number: one line per metric that was asked for by name and has no number of some method at all.
        left_out: one line per protocol that can't be run with some of the methods that `all` stands for.
    """

    methods: tuple[str, ...] = ()
    results: list[Result] = field(default_factory=list)
    computed: int = 0
    problems: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    metrics: dict[str, tuple[str, ...]] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)
    without_number: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    profile: Profile | None = None


class Progress:
    """Shows how far a run is; the command line draws a bar, Python shows nothing."""

    def leave_out(self, text: str) -> None:
        """A protocol can't be run with some of the methods that `all` stands for; `text` says which, and why."""

    def start(self, protocol: str, total: int) -> None:
        """A protocol begins; `total` images times methods are to be computed."""

    def wait(self, protocol: str, method: str, holder: str) -> None:
        """Another run works on a method's result; this one goes on when it is done."""

    def begin(self, protocol: str, method: str) -> None:
        """A method begins on a protocol."""

    def advance(self, method: str) -> None:
        """One image of one method is done."""
