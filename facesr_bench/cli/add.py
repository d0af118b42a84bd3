"""`facesr-bench add`"""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from facesr_bench.base.suggest import expanded
from facesr_bench.cli import FAILED, OK, as_json
from facesr_bench.cli.as_json import add_json
from facesr_bench.cli.options import given
from facesr_bench.cli.streams import say
from facesr_bench.cli.verify import add_request, as_data, fails, opened_or_refused, refused_as_data, say_verdicts
from facesr_bench.evaluation.verify import Verdict, VerifyRequest

EXAMPLES = """examples:
  facesr-bench add sparnet-helen.tar --results results --data helen=~/data/helen

A result becomes a row of the results folder, with the level that it reached as its badge. Below level 1 it is refused;
at level 1 (no data here) its numbers are the sender's word and not ranked; from level 2 on it is ranked, by the metrics
that were computed anew here."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES
    add_request(parser)
    parser.add_argument(
        "--results", default=Path("results"), type=expanded, metavar="DIR", help="a results folder (default: results)"
    )
    parser.add_argument("--no-report", action="store_true", help="don't write the HTML page")
    add_json(parser, "what `verify` says, and where each row is")
    parser.set_defaults(handler=add)


def add(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.evaluation.verify import verify
    from facesr_bench.report.site import build, made_of
    from facesr_bench.report.tables.terminal import print_tables
    from facesr_bench.results.store import read_results
    from facesr_bench.results.summary import summarise

    request, root = VerifyRequest(**given(arguments, VerifyRequest)), arguments.results
    console = as_json.console_of(arguments)
    opened = opened_or_refused(request.bundle, console)
    if isinstance(opened, str):
        if arguments.json:
            as_json.write({**refused_as_data(opened), "added": []})
        return FAILED
    failed = False
    added = []
    with opened.archive, TemporaryDirectory(prefix="facesr-bench-") as folder:
        verdicts = verify(request, opened, Path(folder))
        say_verdicts(verdicts, console)
        for verdict in verdicts:
            if fails(verdict, request):
                say(f"not added: {verdict.sent.name}")
                failed = True
            else:
                added.append(_add(verdict, root, opened.id))
        said = {**as_data(opened, verdicts, request), "added": added}
    if root.is_dir():
        made = made_of(root)
        stored = read_results(root)
        protocols = {verdict.sent.entry.protocol for verdict in verdicts}
        print_tables(summarise(result for result in stored.results if result.protocol in protocols), console)
        if not arguments.no_report:
            say(f"page: {build(root, stored=stored, made=made)}")
    if arguments.json:
        as_json.write(said)
    return FAILED if failed else OK


def _add(verdict: Verdict, root: Path, bundle: str) -> dict[str, Any]:
    """Put a result there as a row; what `--json` says of it."""
    from facesr_bench.results.bundle.add import add as put
    from facesr_bench.results.record import OriginRecord

    rescored = verdict.rescored
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    origin = OriginRecord(
        bundle=bundle, level=verdict.level, metrics=rescored.checked if rescored is not None else (), added=now
    )
    result = put(verdict.sent, root, origin, rescored.result if rescored is not None else None)
    say(f"added: {result.label} on {result.protocol}, {origin.badge}, in {result.folder}")
    return {"label": result.label, "protocol": result.protocol, "badge": origin.badge, "folder": str(result.folder)}
