"""`facesr-bench score`"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.cli import FAILED, OK
from facesr_bench.errors import FaceSRBenchError, MetricError, ResultsError

if TYPE_CHECKING:
    from facesr_bench.metric import MetricBase

EXAMPLES = """examples:
  facesr-bench score --sr my_results --hr ground_truth
  facesr-bench score --sr my_results --hr ground_truth --profile dic --metrics psnr,ssim,lpips --out scores.csv

Pictures are paired strictly by name without suffix; one without a partner is an error. The mean stands last."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    parser.add_argument("--sr", type=Path, required=True, metavar="DIR", help="finished pictures")
    parser.add_argument("--hr", type=Path, required=True, metavar="DIR", help="their ground truth")
    parser.add_argument("--metrics", action="append", metavar="M,N", help="default: psnr,ssim")
    parser.add_argument("--profile", default="sparnet", help="the convention (see `list profiles`; default: sparnet)")
    parser.add_argument("--scale", type=int, default=8, help="for profiles that cut a border of the scale (default: 8)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write every picture's numbers as csv")
    parser.set_defaults(handler=score)


def score(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import track

    from facesr_bench.images import pair_by_stem
    from facesr_bench.scoring import load_metric
    from facesr_bench.selection import split_list

    names = split_list(arguments.metrics or ["psnr,ssim"])
    metrics = [load_metric(name, arguments.profile, arguments.scale) for name in names]
    for metric in metrics:
        if metric.unavailable is not None:
            raise MetricError(f"{metric.key}: {metric.unavailable}")
        if "landmarks" in metric.card.needs:
            raise MetricError(f"{metric.key} needs landmarks, which two folders of pictures don't have; use `run`")
        metric.load()
    pairs = pair_by_stem(arguments.sr, arguments.hr)
    notes = Console(stderr=True, soft_wrap=True)
    rows: list[tuple[str, dict[str, float]]] = []
    problems: list[str] = []
    for stem, sr, hr in track(pairs, "scoring", console=notes, transient=True):
        try:
            rows.append((stem, _score_pair(sr, hr, metrics)))
        except FaceSRBenchError as error:
            problems.append(f"{stem}: {error}")
    if arguments.out is not None:
        _write_csv(arguments.out, [metric.key for metric in metrics], rows)
    print(f"{arguments.sr} against {arguments.hr}, profile {arguments.profile}, n = {len(rows)}")  # noqa: T201
    for metric in metrics:
        if rows:
            mean = math.fsum(values[metric.key] for _, values in rows) / len(rows)
            unit = f" {metric.card.unit}" if metric.card.unit else ""
            print(f"{metric.key:12} {mean:.{metric.card.digits}f}{unit}")  # noqa: T201
    for problem in problems:
        notes.print(f"[bold red]failed[/] {escape(problem)}", highlight=False)
    return FAILED if problems else OK


def _score_pair(sr: Path, hr: Path, metrics: list[MetricBase]) -> dict[str, float]:
    from facesr_bench.images import read_image

    pictures = read_image(sr), read_image(hr)
    return {metric.key: metric.per_image(pictures[0], metric.prepare(pictures[1])) for metric in metrics}


def _write_csv(path: Path, keys: list[str], rows: list[tuple[str, dict[str, float]]]) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["image", *keys])
            writer.writerows([stem, *(repr(values[key]) for key in keys)] for stem, values in rows)
    except OSError as error:
        raise ResultsError(f"{path}: can't be written: {error.strerror or error}") from error
    sys.stderr.write(f"wrote {path}\n")
