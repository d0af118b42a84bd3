"""`facesr-bench export`"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.cli import FAILED, OK
from facesr_bench.cli.options import add_option, typed, whole
from facesr_bench.cli.streams import make_console

if TYPE_CHECKING:
    from rich.console import Console

    from facesr_bench.evaluation.export import Comparison, Exported
    from facesr_bench.evaluation.export.onnx_file import Opened

EXAMPLES = """examples:
  facesr-bench export sparnet --onnx sparnet.onnx
      then: facesr-bench run --methods sparnet,onnx:sparnet.onnx
  facesr-bench export sparnet --onnx sparnet.onnx --int8 --faces ~/faces --compare
      what does int8 cost? both files are run beside the method on seven faces that ship with our dependencies
  facesr-bench export ./mynet@best.pth --onnx mynet.onnx --compare helen-x8 --data helen=~/data/helen

The file takes and gives RGB in [0, 1] and says in its metadata how it is called, so that onnx:FILE needs no word more.
It needs the extra `onnx`: pip install 'facesr-bench[onnx]'.

exit status: 0; 1 if a comparison could not be made on every image; 2 if nothing was written"""

_RUN = ("data", "limit", "out")
"""Options of `run` that a comparison heeds."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    from facesr_bench.base.options import options_of
    from facesr_bench.evaluation.request import RunRequest

    parser.epilog = EXAMPLES
    parser.add_argument("method", metavar="METHOD", help="as for `run`: name, name@weights, ./folder@FILE")
    parser.add_argument("--onnx", type=Path, required=True, metavar="FILE", help="the file to write")
    parser.add_argument("--scale", type=whole, default=8, metavar="N", help="output side over LR's side (default: 8)")
    parser.add_argument("--int8", action="store_true", help="also write FILE-int8.onnx, in 8-bit integers")
    parser.add_argument("--faces", type=Path, metavar="DIR", help="HR face pictures that show --int8 its ranges")
    default = options_of(RunRequest)["protocols"].default[0]
    parser.add_argument(
        "--compare",
        nargs="?",
        const=default,
        metavar="PROTOCOL",
        help=f"run the files beside the method there (default: {default}), and say what they cost and gain",
    )
    for name in _RUN:
        add_option(parser, options_of(RunRequest)[name])
    parser.set_defaults(handler=export)


def export(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.evaluation.export import beside, opened, to_int8, to_onnx

    if arguments.int8 and arguments.faces is None:
        raise FaceSRBenchError("--int8 needs --faces DIR: face pictures that it is not evaluated on, 16 are enough")
    console = make_console(soft_wrap=True)
    path = arguments.onnx.expanduser()
    source = opened(arguments.method, arguments.scale)
    files = [to_onnx(source, path)]
    _report(files[-1], console, f"differs from {source.method.card.name} by {files[-1].difference:.1g} at most")
    if arguments.int8:
        files.append(to_int8(source, files[0], beside(path), arguments.faces.expanduser()))
        _report(files[-1], console, "in 8-bit integers")
    if arguments.compare is None:
        return OK
    return _compare(arguments, source, [file.path for file in files], console)


def _report(file: Exported, console: Console, what: str) -> None:
    console.print(f"{file.path}: {file.size / 1e6:.1f} MB, {what}", markup=False, highlight=False)


def _compare(arguments: argparse.Namespace, source: Opened, files: list[Path], console: Console) -> int:
    from facesr_bench.base.options import options_of
    from facesr_bench.cli.run import bar
    from facesr_bench.evaluation.export import compare
    from facesr_bench.evaluation.request import RunRequest
    from facesr_bench.report.tables.terminal import print_tables
    from facesr_bench.results.summary import summarise

    kept: dict[str, Any] = {name: typed(arguments, options_of(RunRequest)[name]) for name in _RUN}

    def request(methods: Any) -> RunRequest:
        return RunRequest(methods=methods, protocols=(arguments.compare,), device="cpu", **kept)

    with bar(make_console(stderr=True)) as progress:
        outcome, found = compare(source, files, request, progress)
    if outcome.results:
        print_tables(summarise(outcome.results), console, {key for keys in outcome.metrics.values() for key in keys})
    metrics = outcome.results[0].manifest.metrics if outcome.results else {}
    for comparison in found:
        console.print(_words(comparison, source.method.card.name, metrics), markup=False, highlight=False)
    for problem in outcome.problems:
        console.print(f"failed: {problem}", markup=False, highlight=False)
    return FAILED if outcome.problems or not found else OK


def _words(found: Comparison, method: str, metrics: Any) -> str:
    """`net-int8.onnx against net on 7 images: PSNR -0.012 dB [-0.02, -0.00] ...`"""
    costs = [
        f"{metrics[key].title} {mean:+.4f}{f' {unit}' if (unit := metrics[key].unit) else ''} [{low:+.4f}, {high:+.4f}]"
        for key, (mean, low, high) in found.differences.items()
    ]
    pixels = f"{found.differing:,} of {found.values:,} values of 8 bits differ"
    largest = f", by {found.largest} at most" if found.differing else ""
    return (
        f"{found.file} against {method} on {found.n} images: {', '.join(costs)}; {pixels}{largest}; "
        f"{found.faster:.2f} times as fast (processor time, one thread)"
    )
