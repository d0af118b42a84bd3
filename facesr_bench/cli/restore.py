"""`facesr-bench restore`"""

from __future__ import annotations

import argparse
from pathlib import Path

from facesr_bench.base.devices import check_device
from facesr_bench.cli import FAILED, OK
from facesr_bench.cli.align import add_finding, found_in, say_failed
from facesr_bench.cli.options import whole
from facesr_bench.cli.streams import make_console, showing

EXAMPLES = """examples:
  facesr-bench restore gfpgan photos --out restored --paste-back
  facesr-bench restore ./mynet photos --out restored --paste-back --enlarge 2
  facesr-bench restore spandrel:GFPGANv1.4.pth party.jpg --out restored --paste-back --enlarge 4 --background realesrgan
  facesr-bench restore sparnet old.png --out restored

Each face is aligned as in FFHQ (see `facesr-bench align --help`) and given to the method: at 512x512 px to one that
restores, at 1/SCALE of what it makes to one that enlarges (to sparnet: 16x16 px). With --paste-back, the restored faces
are laid back into the photograph with a soft edge; outside their squares nothing changes. OUT gets faces/aligned,
faces/restored, faces/side-by-side, photographs/restored, photographs/side-by-side, and manifest.json. Exit status: 0
all well, 1 a photograph or a face failed, 2 nothing could be done."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES
    parser.add_argument("method", help="name, name@weights, spandrel:FILE, onnx:FILE, or a plug-in's folder")
    parser.add_argument("photographs", type=Path, metavar="PHOTOS", help="a folder of photographs, or one of them")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="a new or empty folder, or one that this command filled"
    )
    parser.add_argument("--paste-back", action="store_true", help="make the whole photographs too")
    parser.add_argument(
        "--enlarge", type=_times, default=1, metavar="N", help="how many times larger they become (default: 1)"
    )
    parser.add_argument(
        "--background", metavar="METHOD", help="what makes of the photograph what is no face (default: bicubic)"
    )
    parser.add_argument(
        "--scale", type=_times, metavar="N", help="the method's enlargement (default: 1, or the least that it does)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    add_finding(parser)
    parser.set_defaults(handler=restore)


def _times(text: str) -> int:
    times = whole(text)
    if not 1 <= times <= 16:
        raise argparse.ArgumentTypeError(f"from 1 to 16, not {times}")
    return times


def restore(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from rich.markup import escape

    from facesr_bench.base.errors import FaceSRBenchError
    from facesr_bench.evaluation import restore as restoring

    notes = make_console(stderr=True, soft_wrap=True)
    check_device(arguments.device)
    if not arguments.paste_back and (arguments.background or arguments.enlarge != 1):
        raise FaceSRBenchError("--background and --enlarge are about whole photographs: give --paste-back too")
    done = restoring.restore(
        arguments.method,
        arguments.photographs,
        arguments.out,
        detector=arguments.detector,
        size=arguments.size,
        scale=arguments.scale,
        smallest=arguments.smallest,
        paste_back=arguments.paste_back,
        enlarged=arguments.enlarge,
        background=arguments.background,
        device=arguments.device,
        each=showing("restoring", notes),
    )
    say_failed(done.failed)
    if done.words:
        notes.print(escape(done.words), highlight=False)
    notes.print(escape(f"{found_in(done)}; they are in {arguments.out}"), highlight=False)
    return FAILED if done.failed else OK
