"""`facesr-bench score`"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.cli import FAILED, OK
from facesr_bench.errors import ResultsError

if TYPE_CHECKING:
    from facesr_bench.folder_scoring import FolderScores

EXAMPLES = """examples:
  facesr-bench score --sr my_results --hr ground_truth
  facesr-bench score --sr my_results --hr ground_truth --profile dic --metrics psnr,ssim,lpips,identity --out scores.csv
  facesr-bench score --sr my_results --hr ground_truth --metrics 'fid[clean],kid[clean]'
  facesr-bench score --sr restored --metrics pyiqa:niqe,'fid[pytorch-fid]' --fid-reference ffhq512=ffhq.pth

Pictures are paired strictly by name without suffix; one without a partner is an error. A metric that can't be computed
says why, and the others are. Exit status: 0 all well, 1 something has no number, 2 nothing could be scored."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    parser.add_argument("--sr", type=Path, required=True, metavar="DIR", help="finished pictures")
    parser.add_argument("--hr", type=Path, metavar="DIR", help="their ground truth, unless no metric needs it")
    parser.add_argument("--metrics", action="append", metavar="M,N", help="default: psnr,ssim (see `list metrics`)")
    parser.add_argument(
        "--profile",
        default="sparnet",
        help="the convention, from `list profiles` (default: sparnet), or ./FILE.toml",
    )
    parser.add_argument("--scale", type=int, default=8, help="for profiles that cut a border of the scale (default: 8)")
    parser.add_argument("--fid-reference", metavar="NAME=FILE", help="statistics for FID to compare with")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write every picture's numbers as csv")
    parser.set_defaults(handler=score)


def score(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import track

    from facesr_bench import sets
    from facesr_bench.devices import torch_device
    from facesr_bench.folder_scoring import pairs_of, score_folders
    from facesr_bench.metric import SetMetric
    from facesr_bench.scoring import load_metric
    from facesr_bench.selection import split_list

    names = split_list(arguments.metrics or ["psnr,ssim"])
    reference = sets.parse_reference(arguments.fid_reference)
    metrics = [load_metric(name, arguments.profile, arguments.scale) for name in names]
    device = torch_device(arguments.device)
    for metric in metrics:
        metric.device = device
        if isinstance(metric, SetMetric):
            sets.compare_with(metric, sets.read_reference(*reference) if reference else None)
    pairs = pairs_of(arguments.sr, arguments.hr)
    notes = Console(stderr=True, soft_wrap=True)
    found = score_folders(
        track(pairs, "scoring", console=notes, transient=True), metrics, has_truth=arguments.hr is not None
    )
    if arguments.out is not None:
        _write_csv(arguments.out, [metric.key for metric in metrics if metric.card.of == "image"], found)
    against = f" against {arguments.hr}" if arguments.hr is not None else ""
    print(f"{arguments.sr}{against}, profile {arguments.profile}, n = {len(found.rows)}")  # noqa: T201
    width = max(12, *(len(name) for name in found.infos))
    for name, info in found.infos.items():
        if name in found.totals.means:
            unit = f" {info.unit}" if info.unit else ""
            number = f"{info.format(found.totals.means[name])}{unit}{found.totals.qualifier(info)}"
            print(f"{name:{width}} {number}")  # noqa: T201
    lacking = [info for info in found.infos.values() if info.aggregate_of is None and info.name in found.totals.reasons]
    for info in lacking:
        for reason, ids in found.totals.reasons[info.name].items():
            part = f" ({len(ids)} of {len(found.rows)} pictures)" if len(ids) < len(found.rows) else ""
            notes.print(f"[yellow]{escape(info.name)}[/]: {escape(reason)}{part}", highlight=False)
    for problem in found.problems:
        notes.print(f"[bold red]failed[/] {escape(problem)}", highlight=False)
    return FAILED if found.problems or lacking else OK


def _write_csv(path: Path, keys: list[str], found: FolderScores) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["image", *keys])
            for row in found.rows:
                writer.writerow([row.id, *(repr(row.metrics[key]) if key in row.metrics else "" for key in keys)])
    except OSError as error:
        raise ResultsError(f"{path}: can't be written: {error.strerror or error}") from error
    sys.stderr.write(f"wrote {path}\n")
