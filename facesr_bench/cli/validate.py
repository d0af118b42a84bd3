"""`facesr-bench validate`"""

from __future__ import annotations

import argparse
from typing import Any

from facesr_bench.base.suggest import expanded
from facesr_bench.cli import FAILED, OK
from facesr_bench.cli.streams import make_console


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "examples:\n  facesr-bench validate ./mynet\n  facesr-bench validate sparnet"
    parser.add_argument("plugin", help="a plug-in's folder, or the name of a method or degradation")
    parser.add_argument("--weights", help="the weights to check a method with (name or file)")
    parser.set_defaults(handler=validate)


def validate(arguments: argparse.Namespace) -> int:
    from rich.markup import escape

    from facesr_bench.evaluation import conformance
    from facesr_bench.plugins import registry

    console = make_console(soft_wrap=True)
    folder = expanded(arguments.plugin)
    plugin: registry.Plugin[Any]
    if folder.is_dir():
        plugin = registry.read_plugin(conformance.kind_of(folder), folder.resolve(), "path")
    else:
        degradations = registry.degradations()
        known = arguments.plugin in degradations.names() and arguments.plugin not in registry.methods().names()
        plugin = (degradations if known else registry.methods()).get(arguments.plugin)
    console.print(f"{plugin.kind} [bold]{escape(plugin.name)}[/] in {escape(str(plugin.folder))}", highlight=False)
    failed = 0
    for check in conformance.validate(plugin, arguments.weights):
        if check.problem is None:
            console.print(f"  [green]ok[/]      {check.name}", highlight=False)
            continue
        failed += 1
        console.print(f"  [bold red]failed[/]  {check.name}: {escape(check.problem)}", highlight=False)
        if check.details:
            console.print(escape(check.details), style="dim", highlight=False)
    console.print(f"{failed} check(s) failed" if failed else "all checks passed")
    return FAILED if failed else OK
