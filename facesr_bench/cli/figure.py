"""`facesr-bench figure`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.base.files import write_text
from facesr_bench.cli.options import add_options, number
from facesr_bench.cli.streams import say
from facesr_bench.cli.table import Selection, say_unreadable, select, selection

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from facesr_bench.results.leaderboard import Group
    from facesr_bench.results.store import Stored

NAMES = {
    "comparison": "LR, methods and HR side by side with a part enlarged, and each picture's numbers",
    "distribution": "how the values of each image spread, per metric",
    "tradeoff": "two metrics against each other (PSNR and LPIPS), a point per method, its area by parameters",
    "curve": "cumulative error curves of landmarks, with the area under them",
    "parallel": "all metrics at once, up is better",
    "attention": "where a method with attention looked: its units side by side, over the faces",
    "training": "validation PSNR and losses of a training, from its log.jsonl",
    "heatmap": "where on the face each method is wrong, averaged over the set",
}

EXAMPLES = f"""figures:
{chr(10).join(f"  {name:<13} {words}" for name, words in NAMES.items())}

examples:
  facesr-bench figure comparison --images 2988554491_2 --methods bicubic,sparnet --zoom 30,40,64,32
  facesr-bench figure tradeoff --protocols helen-x8 --y lpips --format pdf
  facesr-bench figure curve --metrics nme-dlib --format csv
  facesr-bench figure heatmap --kind ssim --methods bicubic,sparnet
  facesr-bench figure attention --images astronaut --units 1,4,8,12,16 --out attention.png
  facesr-bench figure training --log runs/mynet/log.jsonl --out mynet.svg
  facesr-bench figure distribution --metrics psnr,lpips --kind ecdf --out spread.svg
  facesr-bench figure tradeoff --width column --serif --no-title --out tradeoff.pdf     for a paper
  facesr-bench figure parallel --dark --transparent --out parallel.svg                  for a dark slide"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES
    parser.add_argument("name", choices=tuple(NAMES), metavar="NAME", help=", ".join(NAMES))
    add_options(parser, Selection)
    formats = ("pdf", "png", "svg", "csv")
    parser.add_argument("--format", choices=formats, help="default: that of --out, or pdf; csv: a plot's numbers")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: NAME.pdf here")
    parser.add_argument(
        "--images", action="append", metavar="A,B", help="comparison, attention: ids (default: three at quartiles; two)"
    )
    parser.add_argument(
        "--zoom",
        nargs="?",
        const="auto",
        default="auto",
        metavar="X,Y,W,H",
        help="comparison: the part to enlarge, px of HR; `none`; `auto` (default): where the methods differ most",
    )
    parser.add_argument(
        "--kind",
        metavar="KIND",
        help="distribution: violin (default), ecdf; heatmap: psnr (default), ssim, or a metric that keeps maps (lpips)",
    )
    parser.add_argument("--x", metavar="METRIC", help="tradeoff (default: the lead of fidelity, psnr)")
    parser.add_argument("--y", metavar="METRIC", help="tradeoff (default: the lead of perception, or else of identity)")
    parser.add_argument("--units", metavar="1,8,16", help="attention: its units (default: six, evenly spaced)")
    parser.add_argument(
        "--log",
        action="append",
        type=Path,
        metavar="FILE",
        help="training: log.jsonl, once for each stage in order",
    )
    parser.add_argument(
        "--largest", type=number, metavar="X", help="curve: the largest error drawn (default: that of the metric)"
    )
    _add_form(parser)
    parser.set_defaults(handler=figure)


def _add_form(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("form, of any figure")
    group.add_argument("--width", metavar="W", help="column (8.25 cm), page (17.5 cm) or CM; default: what it needs")
    group.add_argument(
        "--no-title", action="store_true", help="without protocol, profile and count above; prints them, for a caption"
    )
    group.add_argument("--serif", action="store_true", help="letters like Times, as in a paper")
    group.add_argument("--dark", action="store_true", help="light letters and lines, for dark slides and pages")
    group.add_argument("--transparent", action="store_true", help="nothing is painted below the figure")


def figure(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.report.figures.form import Form, in_form, read_width

    form = Form(
        title=not arguments.no_title,
        serif=arguments.serif,
        width=None if arguments.width is None else read_width(arguments.width),
        scheme="dark" if arguments.dark else "light",
        transparent=arguments.transparent,
    )
    with in_form(form):
        return _write(arguments)


def _write(arguments: argparse.Namespace) -> int:
    form = arguments.format or (arguments.out.suffix[1:].lower() if arguments.out else "") or "pdf"
    out = arguments.out or Path(f"{arguments.name}.{form}")
    if arguments.name == "training":
        return _training(arguments, out, form)
    stored = select(selection(arguments))
    group = _group(stored, selection(arguments).results)
    if form == "csv":
        write_text(out, _data(arguments, group))
    else:
        _save(_draw(arguments, group), out, form)
    for row in group.rows:
        if not row.comparable:
            say(f"left out: {row.label}: {row.error or row.unranked}")
    sys.stdout.write(f"{out}\n")
    return say_unreadable(stored)


def _save(drawn: Figure, out: Path, form: str) -> None:
    from facesr_bench.report.figures import form as forms
    from facesr_bench.report.figures.style import save

    save(drawn, out, form)
    words = forms.words_of(drawn)
    if words and not forms.form().title:
        say(f"for the caption: {'; '.join(words.splitlines())}")


def _training(arguments: argparse.Namespace, out: Path, form: str) -> int:
    """A figure of logs alone: no result is read."""
    from facesr_bench.report.figures.training import training
    from facesr_bench.results.training import read_logs

    if not arguments.log:
        raise FaceSRBenchError("figure training draws a log: give --log runs/mynet/log.jsonl, once for each stage")
    if form == "csv":
        from facesr_bench.report.figures.data import training_table

        write_text(out, training_table(read_logs(arguments.log)))
    else:
        _save(training(read_logs(arguments.log)), out, form)
    sys.stdout.write(f"{out}\n")
    return 0


def _group(stored: Stored, folder: Path) -> Group:
    """The one group chosen; methods look as they do in any other figure of the folder."""
    from facesr_bench.results.leaderboard import groups
    from facesr_bench.results.store import read_results
    from facesr_bench.results.summary import summarise

    found = groups(summarise(stored.results), (result.label for result in read_results(folder).results))
    if len(found) > 1:
        lines = "\n".join(f"  --protocols {group.protocol} --profile {group.profile}" for group in found)
        raise ResultsError(f"a figure shows one protocol and profile; choose:\n{lines}")
    return found[0]


def _draw(arguments: argparse.Namespace, group: Group) -> Figure:
    from facesr_bench.report.figures import curves, plots

    metrics, name = selection(arguments).metrics, arguments.name
    instead = {
        "tradeoff": "choose with --x and --y",
        "heatmap": "choose the map with --kind",
        "attention": "it is of no metric",
    }.get(name)
    if metrics and instead:
        raise FaceSRBenchError(f"figure {name} has no --metrics: {instead}")
    if name in {"comparison", "heatmap", "attention"}:
        return _of_pictures(arguments, group)
    if name == "distribution":
        return plots.distribution(group, metrics, kind=_spread(arguments.kind))
    if name == "tradeoff":
        return plots.tradeoff(group, arguments.x, arguments.y)
    if name == "curve":
        return curves.curve(group, _one_metric(arguments), limit=arguments.largest)
    return plots.parallel(group, metrics)


def _of_pictures(arguments: argparse.Namespace, group: Group) -> Figure:
    from facesr_bench.base.grammar import split_list
    from facesr_bench.report.figures import attention, grid
    from facesr_bench.report.figures.heatmap import heatmap

    wanted, images = selection(arguments), split_list(arguments.images or [])
    if arguments.name == "attention":
        return attention.attention(group, images, _units(arguments.units), wanted.methods)
    if arguments.name == "heatmap":
        return heatmap(group, wanted.methods, arguments.kind)
    return grid.comparison(group, images, wanted.methods, zoom=_zoom(arguments.zoom), metrics=wanted.metrics)


def _units(text: str | None) -> list[int]:
    try:
        return [int(part) for part in (text or "").split(",") if part.strip()]
    except ValueError:
        raise FaceSRBenchError(f"--units {text}: give numbers from 1, such as 1,8,16") from None


def _spread(text: str | None) -> Literal["violin", "ecdf"]:
    if text in {None, "violin"}:
        return "violin"
    if text == "ecdf":
        return "ecdf"
    raise FaceSRBenchError(f"--kind {text}: a distribution is drawn as `violin` or `ecdf`")


def _one_metric(arguments: argparse.Namespace) -> str | None:
    metrics = selection(arguments).metrics
    if len(metrics) > 1:
        raise FaceSRBenchError(f"a curve is of one metric; give --metrics one of {', '.join(metrics)}")
    return metrics[0] if metrics else None


def _data(arguments: argparse.Namespace, group: Group) -> str:
    """The numbers behind a plot."""
    from facesr_bench.report.figures import data
    from facesr_bench.report.figures.curves import curve_table

    metrics, name = selection(arguments).metrics, arguments.name
    if name == "curve":
        return curve_table(group, _one_metric(arguments), limit=arguments.largest)
    if name == "distribution":
        return data.distribution_table(group, metrics)
    if name == "tradeoff":
        return data.tradeoff_table(group, arguments.x, arguments.y)
    if name == "parallel":
        return data.parallel_table(group, metrics)
    raise FaceSRBenchError(f"figure {name} is made of pictures and has no csv; --format pdf, png or svg")


def _zoom(text: str) -> tuple[int, int, int, int] | Literal["auto"] | None:
    if text == "auto":
        return "auto"
    if text == "none":
        return None
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise FaceSRBenchError(f"--zoom {text}: give x,y,width,height in px of HR, `auto` or `none`") from None
    return x, y, width, height
