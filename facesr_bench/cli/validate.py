"""`facesr-bench validate`"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from facesr_bench.base.options import options_of
from facesr_bench.base.text import counted
from facesr_bench.cli import FAILED, OK, as_json
from facesr_bench.cli.as_json import add_json
from facesr_bench.cli.options import add_option, typed
from facesr_bench.evaluation.request import RunRequest

if TYPE_CHECKING:
    from facesr_bench.evaluation.conformance import Expected


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = (
        "examples:\n  facesr-bench validate ./mynet\n  facesr-bench validate sparnet\n  facesr-bench validate lpips\n"
        "  facesr-bench validate images:restored/gfpgan --protocol helen-x8\n"
        "  facesr-bench validate command:gfpgan.toml"
    )
    parser.add_argument("plugin", help="a plug-in's folder or name, with `:ARGUMENT` if it takes one")
    parser.add_argument(
        "--weights",
        help="the weights to check with: name or file, of a metric NAME=FILE (default: its own, or random ones)",
    )
    parser.add_argument(
        "--protocol",
        metavar="P",
        help="for finished pictures: whether each image of a protocol has one, of its size",
    )
    add_option(parser, options_of(RunRequest)["data"])
    add_json(parser, "every check and what came of it")
    parser.set_defaults(handler=validate)


def _expected(arguments: argparse.Namespace) -> Expected | None:
    """The images of the protocol that was named, or None."""
    from facesr_bench.data.protocols import catalogue, find_protocol
    from facesr_bench.evaluation.conformance import Expected
    from facesr_bench.evaluation.inputs import open_source

    if arguments.protocol is None:
        return None
    datasets = catalogue((arguments.protocol,))
    _, card = find_protocol(arguments.protocol, datasets)
    found = open_source(card, typed(arguments, options_of(RunRequest)["data"]), datasets)
    return Expected(list(found.items), None if card.hr_size is None else (card.hr_size, card.hr_size))


def validate(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from rich.markup import escape

    from facesr_bench.base.grammar import Spec
    from facesr_bench.base.suggest import expanded
    from facesr_bench.evaluation import conformance
    from facesr_bench.plugins import registry
    from facesr_bench.plugins.loading import CARD_FILE

    console = as_json.console_of(arguments, soft_wrap=True)
    spec = Spec.parse(arguments.plugin)
    folder = expanded(spec.name)
    plugin: registry.Plugin[Any]
    if folder.is_dir() and not (folder / CARD_FILE).is_file():
        registry.methods().find(arguments.plugin)  # which says how a folder of pictures is written
    if folder.is_dir():
        plugin = registry.read_plugin(conformance.kind_of(folder), folder.resolve(), "path")
    else:
        kinds = (registry.methods(), registry.metrics(), registry.datasets(), registry.degradations())
        plugin = next((kind for kind in kinds if spec.name in kind.names()), kinds[0]).find(spec.name)
    expected = _expected(arguments)
    console.print(f"{plugin.kind} [bold]{escape(plugin.name)}[/] in {escape(str(plugin.folder))}", highlight=False)
    checks = []
    for check in conformance.validate(plugin, arguments.weights, spec.argument, expected):
        checks.append(check)
        if check.problem is None:
            console.print(f"  [green]ok[/]      {check.name}", highlight=False)
            if check.note:
                console.print(f"          [yellow]note[/]: {escape(check.note)}", highlight=False)
            continue
        console.print(f"  [bold red]failed[/]  {check.name}: {escape(check.problem)}", highlight=False)
        if check.details:
            console.print(escape(check.details), style="dim", highlight=False)
    failed = sum(check.problem is not None for check in checks)
    console.print(f"{counted(failed, 'check')} failed" if failed else "all checks passed")
    if arguments.json:
        head = {"kind": plugin.kind, "name": plugin.name, "folder": str(plugin.folder), "passed": not failed}
        as_json.write({**head, "checks": [asdict(check) for check in checks]})
    return FAILED if failed else OK
