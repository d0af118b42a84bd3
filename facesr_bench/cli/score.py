"""`facesr-bench score`"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.base.errors import MetricError
from facesr_bench.base.files import check_file_writable, write_text
from facesr_bench.base.options import options_of
from facesr_bench.cli import FAILED, MISUSED, OK
from facesr_bench.cli.options import add_option, typed
from facesr_bench.evaluation.request import RunRequest

if TYPE_CHECKING:
    from facesr_bench.evaluation.folders import FolderScores

_FID_REFERENCE, _DEVICE = options_of(RunRequest)["fid_reference"], options_of(RunRequest)["device"]

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
    add_option(parser, _FID_REFERENCE)
    add_option(parser, _DEVICE)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write every picture's numbers as csv")
    parser.set_defaults(handler=score)


def score(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import track

    from facesr_bench.base.devices import exact_numbers, torch_device
    from facesr_bench.evaluation import set_metrics
    from facesr_bench.evaluation.folders import pairs_of, score_folders
    from facesr_bench.evaluation.metrics import Setup, find_metric
    from facesr_bench.plugins.profile import get_profile
    from facesr_bench.plugins.spec import parse_metric, split_list

    names = split_list(arguments.metrics or ["psnr,ssim"])
    if not names:
        raise MetricError("--metrics names none; `facesr-bench list metrics` shows what there is")
    reference = typed(arguments, _FID_REFERENCE)
    profile = get_profile(arguments.profile, [parse_metric(name).plugin for name in names])
    other = set_metrics.read_reference(*reference) if reference else None
    setup = Setup(profile, arguments.scale, torch_device(typed(arguments, _DEVICE)), other)
    metrics = [find_metric(name, setup) for name in names]
    pairs = pairs_of(arguments.sr, arguments.hr)
    if arguments.out is not None:
        check_file_writable(arguments.out)  # told before any work is done, not after
    notes = Console(stderr=True, soft_wrap=True)
    with exact_numbers():
        shown = track(pairs, "scoring", console=notes, transient=True)
        found = score_folders(shown, metrics, has_truth=arguments.hr is not None)
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
    for name, problem in found.problems.items():
        notes.print(f"[bold red]failed[/] {escape(name)}: {escape(problem)}", highlight=False)
    if arguments.out is not None:
        write_text(arguments.out, _csv([metric.key for metric in metrics if metric.card.of == "image"], found))
        sys.stderr.write(f"wrote {arguments.out}\n")
    if not found.rows:
        return MISUSED
    return FAILED if found.problems or lacking else OK


def _csv(keys: list[str], found: FolderScores) -> str:
    """A line per pair, by name; cells are empty where there is no number, as they are for a pair that can't be read."""
    values = {**{name: {} for name in found.problems}, **{row.id: row.metrics for row in found.rows}}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", *keys])
    for name in sorted(values):
        writer.writerow([name, *(repr(values[name][key]) if key in values[name] else "" for key in keys)])
    return text.getvalue()
