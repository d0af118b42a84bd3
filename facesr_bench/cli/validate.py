"""`facesr-bench validate`"""

from __future__ import annotations

import argparse
from typing import Any

from facesr_bench.cli import FAILED, OK
from facesr_bench.cli.streams import make_console


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "examples:\n  facesr-bench validate ./mynet\n  facesr-bench validate sparnet\n  facesr-bench validate lpips"
    )
    parser.add_argument("plugin", help="a plug-in's folder or name, with `:ARGUMENT` if it takes one")
    parser.add_argument(
        "--weights",
        help="the weights to check with: name or file, of a metric NAME=FILE (default: its own, or random ones)",
    )
    parser.set_defaults(handler=validate)


def validate(arguments: argparse.Namespace) -> int:
    from rich.markup import escape

    from facesr_bench.base.grammar import Spec
    from facesr_bench.base.suggest import expanded
    from facesr_bench.evaluation import conformance
    from facesr_bench.plugins import registry

    console = make_console(soft_wrap=True)
    spec = Spec.parse(arguments.plugin)
    folder = expanded(spec.name)
    plugin: registry.Plugin[Any]
    if folder.is_dir():
        plugin = registry.read_plugin(conformance.kind_of(folder), folder.resolve(), "path")
    else:
        kinds = (registry.methods(), registry.metrics(), registry.datasets(), registry.degradations())
        plugin = next((kind for kind in kinds if spec.name in kind.names()), kinds[0]).get(spec.name)
    console.print(f"{plugin.kind} [bold]{escape(plugin.name)}[/] in {escape(str(plugin.folder))}", highlight=False)
    failed = 0
    for check in conformance.validate(plugin, arguments.weights, spec.argument):
        if check.problem is None:
            console.print(f"  [green]ok[/]      {check.name}", highlight=False)
            if check.note:
                console.print(f"          [yellow]note[/]: {escape(check.note)}", highlight=False)
            continue
        failed += 1
        console.print(f"  [bold red]failed[/]  {check.name}: {escape(check.problem)}", highlight=False)
        if check.details:
            console.print(escape(check.details), style="dim", highlight=False)
    console.print(f"{failed} check(s) failed" if failed else "all checks passed")
    return FAILED if failed else OK
