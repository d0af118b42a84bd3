"""`facesr-bench merge`"""

from __future__ import annotations

import argparse
from pathlib import Path

from facesr_bench.base.suggest import expanded
from facesr_bench.base.text import counted
from facesr_bench.cli import OK
from facesr_bench.cli.streams import make_console, say

EXAMPLES = """examples:
  facesr-bench run --methods sparnet --protocols helen-x8 --shard 1/3 --out part1     (on one machine)
  facesr-bench run --methods sparnet --protocols helen-x8 --shard 2/3 --out part2     (on another)
  facesr-bench run --methods sparnet --protocols helen-x8 --shard 3/3 --out part3
  facesr-bench merge part1 part2 part3 --out results

FID, KID and other values of whole sets are computed of all images, from the features that the parts have kept.
A row whose folders disagree (other code, weights or data under one label; two values of one image) is refused, with
both fingerprints, and nothing is written. A row that lacks images stays a part of the set in every table."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES
    parser.add_argument("folders", nargs="+", type=expanded, metavar="DIR", help="results folders")
    parser.add_argument("--out", required=True, type=expanded, metavar="DIR", help="the results folder of all of them")
    parser.add_argument(
        "--newest",
        action="store_true",
        help="where one label has several fingerprints, keep all of them; tables show the newest",
    )
    parser.set_defaults(handler=merge)


def merge(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    import numpy as np

    from facesr_bench.evaluation.merged import complete
    from facesr_bench.images.files import read_image
    from facesr_bench.report.tables.terminal import print_tables
    from facesr_bench.results import merge as merging
    from facesr_bench.results.store import read_results
    from facesr_bench.results.summary import summarise

    def same(a: Path, b: Path) -> bool:
        return bool(np.array_equal(read_image(a), read_image(b)))

    merged = merging.merge(arguments.folders, arguments.out, same, newest=arguments.newest)
    lacking = [complete(one) for one in merged]
    print_tables(summarise(read_results(arguments.out).results), make_console())
    say(f"{counted(len(merged), 'result')} of {counted(len(arguments.folders), 'folder')} in {arguments.out}")
    for one, sets in zip(merged, lacking, strict=True):
        manifest = one.result.manifest
        if one.parts and len(one.result.images) < manifest.data.count:
            have = f"{len(one.result.images)} of {manifest.data.count} images"
            say(f"{one.result.label} on {one.result.protocol}: {have}; a part is never shown as the set")
        if sets and manifest.request is not None:
            say(f"{', '.join(sets)} of {one.result.label} was made of parts; of all, with no image anew:")
            say(f"  {manifest.request.command(out=str(arguments.out))}")
    return OK
