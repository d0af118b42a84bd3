"""`facesr-bench bundle`"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.suggest import expanded, is_path
from facesr_bench.cli import OK
from facesr_bench.cli.streams import say

if TYPE_CHECKING:
    from facesr_bench.results.store import Result

EXAMPLES = """examples:
  facesr-bench bundle results/helen-x8/sparnet --out sparnet-helen.tar
  facesr-bench bundle sparnet bicubic --protocols helen-x8 --out helen.tar
  facesr-bench bundle results --out all.tar --anonymous

Then anybody can `facesr-bench verify` it, and `facesr-bench add` it to a leaderboard. It holds the pictures that were
scored, and of the data only hashes. The same results make the same file: its sha256 is the bundle's id."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "wanted",
        nargs="+",
        metavar="RESULT",
        help="a folder of results (the newest of each row in it), or a tag, label or fingerprint of --results",
    )
    parser.add_argument("--out", required=True, type=expanded, metavar="X.tar", help="the bundle")
    parser.add_argument(
        "--results", default=Path("results"), type=expanded, metavar="DIR", help="a results folder (default: results)"
    )
    parser.add_argument("--protocols", default="", metavar="P,Q", help="only results on these")
    parser.add_argument("--features", action="store_true", help="also what metrics of the whole set (fid, kid) read")
    parser.add_argument(
        "--anonymous", action="store_true", help="for double-blind review: nothing in it says who made it, or where"
    )
    parser.add_argument("--contact", metavar="TEXT", help="who answers for it")
    parser.add_argument("--url", metavar="URL", help="a paper, report or page about it")
    parser.add_argument(
        "--hf-eval-results",
        type=expanded,
        metavar="DIR",
        help="also write the numbers into DIR/.eval_results, in the form that the Hugging Face hub reads; "
        "with --hf-dataset",
    )
    parser.add_argument("--hf-dataset", metavar="OWNER/NAME", help="the benchmark on the hub that they belong to")
    parser.set_defaults(handler=bundle)


def bundle(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.evaluation.verify import decode
    from facesr_bench.results.bundle.exchange import write_eval_results
    from facesr_bench.results.bundle.make import make

    if (arguments.hf_eval_results is None) != (arguments.hf_dataset is None):
        raise ResultsError("--hf-eval-results DIR and --hf-dataset OWNER/NAME go together")
    results = _meant(arguments.wanted, arguments.results, [name for name in arguments.protocols.split(",") if name])
    options = {"features": arguments.features, "anonymous": arguments.anonymous}
    bundle_id, index = make(results, arguments.out, decode, contact=arguments.contact, url=arguments.url, **options)
    for entry in index.results:
        say(f"{entry.label} on {entry.protocol}, profile {entry.profile}: {entry.size}")
        if not entry.deterministic:
            say(f"  the method draws random numbers, from seed {entry.seed}")
    say(f"wrote {arguments.out} ({arguments.out.stat().st_size / 2**20:.1f} MiB)")
    if arguments.hf_eval_results is not None:
        folder, dataset = arguments.hf_eval_results, arguments.hf_dataset
        for path in write_eval_results(folder, dataset, bundle_id, index, results, arguments.url):
            say(f"wrote {path}")
    print(bundle_id)  # noqa: T201 - what a script goes on with
    return OK


def _meant(wanted: Sequence[str], root: Path, protocols: Sequence[str]) -> list[Result]:
    """The results that a user's words mean, each once.

    Raises:
        ResultsError: a word means none.
    """
    from facesr_bench.results.history import find

    found: dict[Path, Result] = {}
    for word in wanted:
        folder = expanded(word)
        results = _below(folder) if folder.is_dir() else []
        if not results and folder.is_dir() and is_path(word):
            raise ResultsError(f"{folder}: no results in it; give a results folder, or one below it")
        results = results or find(root, word)  # a method's own folder may lie here under its label
        kept = [result for result in results if not protocols or result.protocol in protocols]
        if not kept:
            raise ResultsError(f"{word}: no result on {', '.join(protocols)}")
        found.update((result.folder.resolve(), result) for result in kept)
    return list(found.values())


def _below(folder: Path) -> list[Result]:
    """The newest results of each row in a results folder, or in a folder of one; none where it is of something else."""
    from facesr_bench.results.store import MANIFEST, newest_of_rows, open_result

    for depth in range(4):
        paths = sorted(folder.glob("/".join(["*"] * depth + [MANIFEST])))
        if paths:
            opened = [open_result(path.parent.resolve()) for path in paths]
            return [result for result in newest_of_rows(opened) if result.manifest.error is None]
    return []
