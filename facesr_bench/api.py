"""The public Python API."""

from __future__ import annotations

import html
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.devices import EXACT, PRECISIONS, exact_numbers, set_torch, torch_device
from facesr_bench.base.errors import FaceSRBenchError, FaceSRBenchWarning, MetricError, PluginError
from facesr_bench.base.options import takes_options
from facesr_bench.base.text import counted
from facesr_bench.data.protocols import find_protocol
from facesr_bench.evaluation import finished, folders, set_metrics
from facesr_bench.evaluation.metrics import Setup, find_metric, find_metrics, opened, profile_for
from facesr_bench.evaluation.request import FolderRequest, RunRequest
from facesr_bench.evaluation.run import run as _run
from facesr_bench.evaluation.scorer import Scorer
from facesr_bench.images.files import Image8, read_only
from facesr_bench.images.quantise import quantise
from facesr_bench.plugins.degradation import degradation_of
from facesr_bench.plugins.method import MethodBase, MethodContext, make_method
from facesr_bench.plugins.metric import AnyMetric, Unavailable
from facesr_bench.plugins.sample import Sample
from facesr_bench.plugins.spec import parse_method
from facesr_bench.results.frames import folder_frames, image_frame, summary_frame
from facesr_bench.results.summary import summarise
from facesr_bench.weights import resolve_method

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Scores:
    """The numbers that were asked for, and what failed.

    A notebook shows `frame`, with the failures below it.

    Attributes:
        frame: a row per protocol and method (of `score_folders`: one row); `notes` says why a cell is empty.
        images: a row per image of each.
        problems: a line per protocol, method or image that failed.
        left_out: a line per protocol that some of the methods that `all` stands for can't do.
    """

    frame: pd.DataFrame
    images: pd.DataFrame
    problems: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "\n".join([repr(self.frame), *self.left_out, *(f"failed: {problem}" for problem in self.problems)])

    def _repr_html_(self) -> str:
        failed = "".join(f"<p><b>failed</b> {html.escape(problem)}</p>" for problem in self.problems)
        left_out = "".join(f"<p>{html.escape(line)}</p>" for line in self.left_out)
        return f"{self.frame.to_html()}{left_out}{failed}"


@takes_options(RunRequest)
def run(request: RunRequest) -> Scores:
    """Run methods on protocols: what `facesr-bench run` does, as tables.

    Args:
        {options}

    Returns:
        A row per protocol and method asked for, with the metrics asked for; `n` says how many images in the results
        folder the means are over. A protocol or method that could not run has a row too, whose `notes` say why.

    Warns:
        FaceSRBenchWarning: a protocol, method or image failed.

    Raises:
        FaceSRBenchError: nothing could be run at all.
    """
    outcome = _run(request)
    if not outcome.results:
        raise FaceSRBenchError("nothing could be run:\n" + "\n".join(outcome.problems))
    rows = summarise(outcome.results)
    lost = [
        {"protocol": protocol, "method": method, "notes": f"did not run: {reason}"}
        for protocol, reason in outcome.not_run.items()
        for method in outcome.methods
    ]
    summaries, images = summary_frame(rows, outcome.metrics, lost), image_frame(rows, outcome.metrics)
    return _scores(summaries, images, tuple(outcome.problems), tuple(outcome.left_out))


@takes_options(FolderRequest)
def score_folders(request: FolderRequest) -> Scores:
    """Score a folder of finished pictures against another: what `facesr-bench score` does, as tables.

    Pictures are paired by their names without suffix.

    Args:
        {options}

    Returns:
        One row with the means, and a row per picture. A metric that can't be computed has no number; `notes` says why.

    Warns:
        FaceSRBenchWarning: a picture could not be read, or compared with its partner.

    Raises:
        FaceSRBenchError: no such folder, profile or metric, or pictures without a partner.
    """
    found = folder_scores(request)
    problems = tuple(f"{name}: {problem}" for name, problem in found.problems.items())
    head = {"sr": str(request.sr), "hr": None if request.hr is None else str(request.hr), "profile": found.profile}
    return _scores(*folder_frames(head, found.infos, found.totals, found.rows, found.problems), problems)


def folder_scores(request: FolderRequest, watch: Callable[[list[Any]], Iterable[Any]] = iter) -> folders.FolderScores:
    """What `score_folders` and `facesr-bench score` show.

    Args:
        watch: gives the pictures back one by one, as a progress bar does.

    Raises:
        FaceSRBenchError: as `score_folders`, before anything is scored.
    """
    if not request.metrics:
        raise MetricError("give at least one metric; `facesr-bench list metrics` shows what there is")
    if request.protocol is not None and (request.hr is not None or request.landmarks is not None):
        raise FaceSRBenchError("--protocol brings ground truth and landmarks itself: leave out --hr and --landmarks")
    dataset, card = (None, None) if request.protocol is None else find_protocol(request.protocol)
    other = set_metrics.read_reference(*request.fid_reference) if request.fid_reference else None
    profile = profile_for(request.profile or (card.profile if card else "sparnet"), request.metrics)
    scale = card.scale if card else request.scale
    how = degradation_of(card, dataset) if card is not None and dataset is not None else None
    setup = Setup(profile, scale, torch_device(request.device), other, degradation=how)
    metrics = find_metrics(request.metrics, setup)
    with exact_numbers():
        if card is not None:
            readings = finished.readings_of(card, request.data, request.sr, request.suffix)
            found = folders.score_readings(watch(readings), metrics, finished.given_by(card))
        else:
            pairs = folders.pairs_of(request.sr, request.hr, request.suffix)
            names = [name for name, *_ in pairs]
            points = None if request.landmarks is None else finished.read_landmarks(request.landmarks, names)
            found = folders.score_folders(watch(pairs), metrics, request.hr is not None, points)
    found.profile = profile.name
    return found


def _scores(
    frame: pd.DataFrame, images: pd.DataFrame, problems: tuple[str, ...], left_out: tuple[str, ...] = ()
) -> Scores:
    if problems:
        more = [f"... and {len(problems) - SHOWN} more: see `problems`"] if len(problems) > SHOWN else []
        said = "\n  ".join([f"{counted(len(problems), 'failure')}:", *problems[:SHOWN], *more])
        warnings.warn(said, FaceSRBenchWarning, stacklevel=4)  # where `run` or `score_folders` was called
    return Scores(frame, images, problems, left_out)


SHOWN = 20
"""Failures that a warning lists."""


def load_method(
    name: str, weights: str | Path | None = None, *, device: str = "cpu", precision: str = "fp32", scale: int = 8
) -> MethodBase:
    """A method ready to use: `method.enhance(lr)` on a uint8 image, `method.upscale(batch)` on tensors.

    Args:
        name: a method's name, `name@weights`, or a plug-in's folder.
        weights: a name from the method's card, or a checkpoint file; None for the card's default.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        scale: what to upscale by; ignored by methods whose network has one scale.

    Raises:
        FaceSRBenchError: unknown method, missing or wrong weights, a device that is not here.

    Examples:
        >>> import numpy as np
        >>> method = load_method("bicubic")
        >>> method.enhance(np.zeros((16, 16, 3), np.uint8)).shape
        (128, 128, 3)
    """
    if precision not in PRECISIONS:
        raise FaceSRBenchError(f"precision {precision!r}: it must be one of {', '.join(PRECISIONS)}")
    device = torch_device(device)
    set_torch(EXACT)  # stays so: what the user then calls should give the numbers of a run
    spec = parse_method(name)
    found = resolve_method(spec.plugin, str(weights) if weights is not None else spec.weights)
    argument = spec.opened()
    context = MethodContext(
        argument.card if argument else spec.plugin.require_card(),
        scale=scale,
        weights=found.path if found else None,
        argument=spec.argument,
        device=device,
        precision=precision,
    )
    method = make_method(spec.plugin.load_class(), context, spec.plugin.world())
    method.load()
    return method


def score(
    sr: NDArray[Any],
    hr: Image8,
    metrics: Sequence[str] = ("psnr", "ssim"),
    profile: str = "sparnet",
    scale: int = 8,
) -> dict[str, float]:
    """Score one image against its ground truth.

    Args:
        sr: HxWx3 RGB: uint8, or float32/float64 in [0, 1], which becomes uint8 as the profile says.
        hr: HxWx3 RGB uint8, the ground truth.
        metrics: names of metrics, or plug-in folders.
        profile: name of the convention; numbers of different profiles are not comparable.
        scale: HR side over LR side; some profiles cut a border that wide.

    Returns:
        Value by metric name; PSNR of identical images is infinite.

    Raises:
        MetricError: wrong dtype, shape, size or range, or no such profile.
        PluginError: no such metric.

    Examples:
        One level of 255 off everywhere, in a convention on RGB and in one on luma of 16 to 235:

        >>> import numpy as np
        >>> hr = np.full((128, 128, 3), 100, np.uint8)
        >>> round(score(hr + 1, hr, ["psnr"], profile="basicsr-rgb")["psnr"], 2)
        48.13
        >>> round(score(hr + 1, hr, ["psnr"], profile="basicsr-y")["psnr"], 2)
        49.45
        >>> score(hr, hr, ["psnr"])
        {'psnr': inf}
    """
    if isinstance(metrics, str):
        raise MetricError(f"metrics must be a list of names, such as [{metrics!r}], not one string")
    sr, hr = np.asarray(sr), np.asarray(hr)
    chosen = profile_for(profile, metrics)
    image = read_only(sr if sr.dtype == np.uint8 else quantise(sr, chosen.quantise))
    setup = Setup(chosen, scale)
    found = [_of_one_image(find_metric(name, setup)) for name in metrics]
    scorer = Scorer(opened(found))
    record = scorer.score(image, scorer.prepare(Sample("image", lr=hr, hr=hr)))
    for key, reason in record.reasons.items():
        raise MetricError(f"{key}: {reason}")
    return {metric.key: record.metrics[metric.key] for metric in found}


def _of_one_image(metric: AnyMetric) -> AnyMetric:
    """The metric, if two images are all that it needs.

    Raises:
        PluginError: its code can't be imported.
        MetricError: it needs more.
    """
    if isinstance(metric, Unavailable) and isinstance(metric.error, PluginError):
        raise metric.error
    if metric.card.of == "set":
        raise MetricError(f"{metric.key} has a value for a set of images only; use `facesr-bench score` on folders")
    if missing := {"landmarks", "input"} & set(metric.card.needs):
        raise MetricError(f"{metric.key} needs {missing.pop()} too; run it on a protocol that has it")
    return metric
