"""`facesr-bench list`"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.base.options import options_of
from facesr_bench.base.suggest import unknown
from facesr_bench.cli import FAILED, OK, as_json
from facesr_bench.cli.as_json import add_json
from facesr_bench.cli.options import add_option, typed
from facesr_bench.cli.streams import make_console
from facesr_bench.evaluation.request import RunRequest

if TYPE_CHECKING:
    from rich.table import Table

    from facesr_bench.plugins.cards import DegradationCard, MeasuredCard, MethodCard, MetricCard
    from facesr_bench.plugins.profile import Profile
    from facesr_bench.plugins.registry import Plugin, Registry

_DIRECTIONS = {True: "higher is better", False: "lower is better", None: "direction by variant"}
_DATA = options_of(RunRequest)["data"]
WHAT = ("methods", "protocols", "datasets", "metrics", "degradations", "profiles")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = (
        "examples:\n  facesr-bench list methods\n  facesr-bench list protocols --data helen=~/data/helen\n"
        "  facesr-bench list protocols helen             those of a dataset, and where to get it\n"
        "  facesr-bench list metrics --json"
    )
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("only", nargs="*", metavar="NAME", help="only these; of protocols, also those of a dataset")
    add_option(parser, _DATA)
    add_json(parser, "all that the cards say, a list of objects")
    parser.set_defaults(handler=show)


def show(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from rich.markup import escape

    from facesr_bench.plugins import registry as plugins

    console, errors = make_console(), make_console(stderr=True, soft_wrap=True)
    registry: Registry[Any] | None = None
    if arguments.json:
        registry = _write_json(arguments)
    elif arguments.what == "profiles":
        console.print(_profiles(_chosen_profiles(arguments)))
    elif arguments.what == "protocols":
        registry = plugins.datasets()
        _protocols(console, typed(arguments, _DATA), _chosen_protocols(arguments, registry))
    else:
        registry = getattr(plugins, arguments.what)()
        makers = {"methods": _methods, "datasets": _datasets, "metrics": _metrics, "degradations": _degradations}
        console.print(makers[arguments.what]([p for p in _chosen(arguments, registry) if p.card is not None]))
    broken = [plugin for plugin in registry.plugins if plugin.error] if registry and not arguments.only else []
    for plugin in broken:
        errors.print(
            f"[bold red]broken[/] {escape(plugin.name)} ({escape(plugin.source)}): {escape(str(plugin.error))}"
        )
    return FAILED if broken else OK


def _write_json(arguments: argparse.Namespace) -> Registry[Any] | None:
    """The list as JSON on standard output; the registry it is of, where there is one.

    A plug-in that can't be read stands in it too, with its `error`.
    """
    from facesr_bench.plugins import registry as plugins

    registry: Registry[Any] | None = None
    if arguments.what == "profiles":
        found = [profile.model_dump(mode="json") for profile in _chosen_profiles(arguments)]
    elif arguments.what == "protocols":
        registry = plugins.datasets()
        chosen = _chosen_protocols(arguments, registry)
        found = [each for each in _protocol_data(registry, typed(arguments, _DATA)) if each["name"] in chosen]
    else:
        registry = getattr(plugins, arguments.what)()
        found = [_plugin_data(plugin) for plugin in _chosen(arguments, registry)]
    as_json.write(found)
    return registry


def _known(arguments: argparse.Namespace, names: Iterable[str], kind: str) -> set[str]:
    """The names that were typed, or all there are.

    Raises:
        FaceSRBenchError: there is no such name (suggests one).
    """
    known = set(names)
    for name in arguments.only:
        if name not in known:
            raise FaceSRBenchError(unknown(kind, name, known))
    return set(arguments.only) or known


def _chosen(arguments: argparse.Namespace, registry: Registry[Any]) -> list[Plugin[Any]]:
    chosen = _known(arguments, registry.names(), registry.kind)
    return [plugin for plugin in registry.plugins if plugin.name in chosen]


def _chosen_profiles(arguments: argparse.Namespace) -> list[Profile]:
    from facesr_bench.plugins.profile import profiles

    chosen = _known(arguments, profiles(), "profile")
    return [profile for name, profile in profiles().items() if name in chosen]


def _chosen_protocols(arguments: argparse.Namespace, registry: Registry[Any]) -> set[str]:
    """The names of protocols; that of a dataset stands for all of its own."""
    protocols = {plugin.name: set(plugin.card.protocols) for plugin in registry.plugins if plugin.card is not None}
    every = set().union(*protocols.values())
    chosen = _known(arguments, every | protocols.keys(), "protocol or dataset")
    return every & chosen.union(*(protocols[name] for name in chosen & protocols.keys()))


def _plugin_data(plugin: Plugin[Any]) -> dict[str, Any]:
    card = {} if plugin.card is None else plugin.card.model_dump(mode="json")
    return card | {"name": plugin.name, "source": plugin.source, "error": str(plugin.error) if plugin.error else None}


def _protocol_data(registry: Registry[Any], given: Mapping[str, Path]) -> list[dict[str, Any]]:
    from facesr_bench.data.sources import check_names, why_not_ready

    check_names(given)
    found = []
    for plugin in registry.plugins:
        for protocol in plugin.card.protocols.values() if plugin.card is not None else ():
            problem = why_not_ready(protocol.name, given)
            card = protocol.model_dump(mode="json")
            found.append(card | {"dataset": plugin.name, "ready": problem is None, "problem": problem})
    return found


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=i == 0)
    return table


def _described(table: Table, name: str, summary: str, facts: list[str]) -> None:
    """A row of two lines: what it is, and its facts in grey."""
    from rich.text import Text

    table.add_row(Text(name, style="bold"), Text.assemble(" ".join(summary.split()), "\n", (" · ".join(facts), "dim")))


def _row(table: Table, *cells: str) -> None:
    from rich.text import Text

    table.add_row(*(Text(cell) for cell in cells))  # never markup: names come from strangers' cards


def _methods(found: list[Plugin[MethodCard]]) -> Table:
    from facesr_bench.weights import location

    table = _table("method", "what it is")
    for plugin in found:
        card = plugin.require_card()
        scale = ", ".join(f"x{s}" for s in card.scales) or "any scale"
        facts = [scale + (f" to {card.output_size} px" if card.output_size else "")]
        if card.parameters:
            facts.append(f"{card.parameters:,} parameters")
        for name in card.weights:
            notes = ["default"] * (name == card.default_weights)
            if not location(plugin, name).is_file():
                notes.append(f"not on this machine: facesr-bench weights fetch {plugin.name}@{name}")
            facts.append(f"@{name}" + (f" ({', '.join(notes)})" if notes else ""))
            facts += [_measured(name, claim) for claim in card.weights[name].measured]
        _described(table, plugin.name, card.summary, facts)
    return table


def _measured(weights: str, claim: MeasuredCard) -> str:
    """The first value of a claim: `@bundled on helen-x8: psnr 25.3 [25.1, 25.5], bicubic 23.3`."""
    metric, (mean, low, high) = next(iter(claim.values.items()))
    than = f", bicubic {claim.bicubic[metric][0]:g}" if metric in claim.bicubic else ""
    return f"@{weights} on {claim.protocol}: {metric} {mean:g} [{low:g}, {high:g}]{than}"


def _protocols(console: Any, given: Mapping[str, Path], chosen: Collection[str]) -> None:
    """A table of protocols, those that are ready first; below it, how to get the data of the others."""
    from rich.markup import escape

    from facesr_bench.data.sources import check_names, is_given, variable_of, why_not_ready
    from facesr_bench.plugins import registry as plugins

    check_names(given)
    table = _table("protocol", "what it is")
    rows: list[tuple[bool, str, str, list[str]]] = []
    missing: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for plugin in plugins.datasets().plugins:
        if plugin.card is None:
            continue
        for protocol in plugin.card.protocols.values():
            if protocol.name not in chosen:
                continue
            problem = why_not_ready(protocol.name, given)
            state = "ready"
            if problem is not None and plugin.card.needs_data and not is_given(protocol.name, plugin.name, given):
                missing[plugin.name], state = plugin.card, "no data yet"
            elif problem is not None:
                wrong[protocol.name], state = problem, "not ready, see below"
            facts = [state, f"profile {protocol.profile}"]
            facts += [", ".join(protocol.metrics)] if protocol.metrics else []
            rows.append((problem is not None, protocol.name, protocol.summary, facts))
    for _, name, summary, facts in sorted(rows, key=lambda row: row[0]):
        _described(table, name, summary, facts)
    console.print(table)
    for name, problem in wrong.items():
        console.print(f"[bold red]not ready[/] {escape(name)}: {escape(problem)}\n", highlight=False, soft_wrap=True)
    for name, card in missing.items():
        console.print(f"[bold]{escape(name)}[/]: {escape(card.obtain.strip())}")
        how = f"--data {name}=DIR, or {variable_of(name)}=DIR, "
        how += f'or {json.dumps(name) if "." in name else name} = "DIR" under [data] in facesr-bench.toml'
        console.print(f"  then: {escape(how)}\n", highlight=False)


def _datasets(found: list[Any]) -> Table:
    table = _table("dataset", "protocols", "licence", "what it is")
    for plugin in found:
        card = plugin.card
        _row(table, plugin.name, "\n".join(card.protocols), card.licence, card.summary)
    return table


def _metrics(found: list[Plugin[MetricCard]]) -> Table:
    from facesr_bench.weights.catalogue import find

    table = _table("metric", "what it is")
    for plugin in found:
        card = plugin.require_card()
        low, high = card.range
        facts = [_DIRECTIONS[card.higher_is_better], f"{low:g} to {high:g}{card.unit and ' ' + card.unit}"]
        facts += ["one value per set"] if card.of == "set" else []
        facts += [f"needs {', '.join(card.needs)}"] if card.needs else []
        for name in card.variants:
            facts.append(f"{card.name}[{name}]" + (" (default)" if name == card.default_variant else ""))
        for name, network in card.weights.items():
            notes = ["default"] * (name == card.default_weights)
            if network.store is None:
                notes.append(f"give its file: @{name}=FILE")
            elif not find(network.store).path.is_file():
                notes.append(f"not on this machine: facesr-bench weights fetch {network.store}")
            facts.append(f"@{name}" + (f" ({', '.join(notes)})" if notes else ""))
        _described(table, plugin.name, card.summary, facts)
    return table


def _degradations(found: list[Plugin[DegradationCard]]) -> Table:
    table = _table("degradation", "what it is")
    for plugin in found:
        card = plugin.require_card()
        scale = ", ".join(f"x{s}" for s in card.scales) or "any scale"
        _described(table, plugin.name, card.summary, [scale, *(["random, from a seed per image"] * card.random)])
    return table


def _profiles(found: Iterable[Profile]) -> Table:
    table = _table("profile", "what it is", "source")
    for profile in found:
        _row(table, profile.name, profile.summary, "\n".join(profile.source))
    return table
