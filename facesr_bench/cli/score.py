"""`facesr-bench score`"""

from __future__ import annotations

import argparse
import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesr_bench.base.files import check_file_writable, write_text
from facesr_bench.base.text import csv_text
from facesr_bench.cli import FAILED, MISUSED, OK, as_json
from facesr_bench.cli.as_json import add_json
from facesr_bench.cli.options import add_options, given
from facesr_bench.cli.streams import make_console, say, showing
from facesr_bench.evaluation.request import FolderRequest

if TYPE_CHECKING:
    from facesr_bench.evaluation.folders import FolderScores

EXAMPLES = """examples:
  facesr-bench score --sr my_results --hr ground_truth
  facesr-bench score --sr my_results --hr ground_truth --profile dic --metrics psnr,ssim,lpips,identity --out scores.csv
  facesr-bench score --sr my_results --hr ground_truth --metrics 'fid[clean],kid[clean]'
  facesr-bench score --sr my_results --protocol helen-x8 --data helen=~/data/helen --metrics psnr,identity-dlib,nme-dlib
      as a run would: the protocol's ground truth, landmarks, profile and scale
  facesr-bench score --sr restored --metrics pyiqa:niqe,'fid[pytorch-fid]' --fid-reference ffhq512=ffhq.pth

Pictures are paired strictly by name without suffix; one without a partner is an error. A metric that can't be computed
says why, and the others are. Exit status: 0 all well, 1 something has no number, 2 nothing could be scored."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES
    add_options(parser, FolderRequest)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write every picture's numbers as csv")
    add_json(parser, "means, and the numbers of every picture")
    parser.set_defaults(handler=score)


def score(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from rich.markup import escape

    from facesr_bench.api import folder_scores
    from facesr_bench.report.tables.terminal import print_totals

    request = FolderRequest(**given(arguments, FolderRequest))
    if arguments.out is not None:
        check_file_writable(arguments.out)  # refused before any work is done, not after
    console, notes = as_json.console_of(arguments), make_console(stderr=True, soft_wrap=True)
    found = folder_scores(request, showing("scoring", notes))
    truth = request.hr if request.protocol is None else request.protocol
    against = f" against {truth}" if truth is not None else ""
    heading = f"{request.sr}{against} · profile {found.profile} · n = {len(found.rows)}"
    print_totals(heading, request.sr.name, found.infos, found.totals, console)
    for name in found.totals.infinite:
        notes.print(f"[yellow]{escape(name)}[/]: {escape(str(found.totals.infinite_in_words(name)))}", highlight=False)
    if _same(request.sr, request.hr):
        notes.print("[yellow]note[/]: --sr and --hr are the same folder", highlight=False)
    lacking = [info for info in found.infos.values() if info.aggregate_of is None and info.name in found.totals.reasons]
    for info in lacking:
        for reason, ids in found.totals.reasons[info.name].items():
            part = f" ({len(ids)} of {len(found.rows)} pictures)" if len(ids) < len(found.rows) else ""
            notes.print(f"[yellow]{escape(info.name)}[/]: {escape(reason)}{part}", highlight=False)
    for name in found.totals.alignments:
        if len(found.totals.alignments[name]) > 1:
            told = f"faces placed by {found.totals.alignment_in_words(name)}"
            notes.print(f"[yellow]{escape(name)}[/]: {escape(told)}", highlight=False)
    for name, problem in list(found.problems.items())[:20]:
        notes.print(f"[bold red]failed[/] {escape(name)}: {escape(problem)}", highlight=False)
    if len(found.problems) > 20:
        notes.print(f"[bold red]failed[/] ... and {len(found.problems) - 20} more")
    if arguments.out is not None:
        write_text(arguments.out, _csv([name for name in found.asked if found.infos[name].has_values], found))
        say(f"wrote {arguments.out}")
    if arguments.json:
        as_json.write(as_data(found, str(request.sr), None if truth is None else str(truth)))
    if not found.rows:
        return MISUSED
    return FAILED if found.problems or lacking else OK


def as_data(found: FolderScores, sr: str, truth: str | None) -> dict[str, Any]:
    """What `score --json` says; the keys are a stable interface.

    Args:
        sr: the folder of finished pictures.
        truth: the folder or protocol of their ground truth; None: there is none.
    """
    asked = [name for name in found.asked if found.infos[name].has_values]
    return {
        "sr": sr,
        "against": truth,
        "profile": found.profile,
        "n": len(found.rows),
        "metrics": {name: found.totals.means.get(name) for name in found.infos},
        "reasons": {name: {why: len(ids) for why, ids in each.items()} for name, each in found.totals.reasons.items()},
        "images": [{"image": row.id, **{name: row.metrics.get(name) for name in asked}} for row in found.rows],
        "failed": dict(found.problems),
    }


def _same(sr: Path, hr: Path | None) -> bool:
    return hr is not None and sr.exists() and hr.exists() and sr.samefile(hr)


def _csv(keys: list[str], found: FolderScores) -> str:
    """A line per pair, by name; cells are empty where there is no number, as they are for a pair that can't be read."""
    values = {**{name: {} for name in found.problems}, **{row.id: row.metrics for row in found.rows}}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", *keys])
    for name in sorted(values):
        writer.writerow([csv_text(name), *(repr(values[name][key]) if key in values[name] else "" for key in keys)])
    return text.getvalue()
