"""What a shell offers for the word at the cursor: subcommands, options, and the names that an option takes.

argcomplete does the talking with the shell; here stands which names there are. The shell asks by calling the program
with `_ARGCOMPLETE` set, at every press of the key: so a name is looked up only where the word is one.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from typing import Any

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.base.suggest import is_path

SHELLS = ("bash", "zsh", "fish")
_Names = Callable[[], Iterable[str]]


def asked() -> bool:
    """Whether a shell asks what could stand at the cursor."""
    return "_ARGCOMPLETE" in os.environ


def words() -> list[str]:
    """The words before the cursor, without the program's."""
    from argcomplete.lexers import split_line

    line, point = os.environ["COMP_LINE"], int(os.environ["COMP_POINT"])
    *_, before, _ = split_line(line, point)
    return [str(word) for word in before[1:]]


def shell_code(shell: str) -> str:
    """What the shell must read for the program's words to be completed."""
    from argcomplete.shell_integration import shellcode

    code: str = shellcode(["facesr-bench"], shell=shell)
    return code


def answer(parser: argparse.ArgumentParser, command: argparse.ArgumentParser | None) -> None:
    """Tell the shell what could stand at the cursor, and end the process.

    Args:
        command: the parser of the subcommand, where there is one before the cursor.
    """
    from argcomplete.finders import CompletionFinder

    for action in _actions(command):
        if action.dest in _NAMES and action.choices is None:
            names, several = _NAMES[action.dest]
            action.completer = _completer(names, several=several)  # type: ignore[attr-defined]
    finder_of(CompletionFinder)()(parser, always_complete_options="long")


def finder_of(base: type[Any]) -> type[Any]:
    """argcomplete's finder, for a library whose names hold an @: of `sparnet@off`, bash replaces `@off` with its @."""

    class Finder(base):  # type: ignore[misc]
        def quote_completions(self, completions: list[str], prequote: str, last_break: int | None) -> list[str]:
            if last_break is not None and completions and completions[0][last_break : last_break + 1] == "@":
                last_break -= 1
            quoted: list[str] = super().quote_completions(completions, prequote, last_break)
            return quoted

    return Finder


def _actions(parser: argparse.ArgumentParser | None) -> Iterable[argparse.Action]:
    for action in parser._actions if parser is not None else ():
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _actions(inner)


def _completer(names: _Names, *, several: bool) -> Callable[..., list[str]]:
    """A function that gives argcomplete the whole words that begin with `prefix`."""

    def complete(prefix: str, **_: object) -> list[str]:
        head, comma, last = prefix.rpartition(",") if several else ("", "", prefix)
        if is_path(last) or (":" in last) or (several and "=" in last):
            return [f"{head}{comma}{path}" for path in _paths(last)]
        taken = set(head.split(","))
        try:
            return [f"{head}{comma}{name}" for name in names() if name.startswith(last) and name not in taken]
        except FaceSRBenchError:  # of a file that a command would complain about; a key press must not
            return []

    return complete


def _paths(text: str) -> list[str]:
    """The files and folders that a path, or the path behind `images:` or `label=`, may become."""
    from argcomplete.completers import FilesCompleter

    cut = max(text.rfind(sign) for sign in ":=@") + 1
    return [text[:cut] + path for path in FilesCompleter()(text[cut:])]


def _methods() -> Iterable[str]:
    from facesr_bench.plugins import registry

    for plugin in registry.methods().plugins:
        card = plugin.card
        yield plugin.name + (":" if card is not None and card.takes_argument else "")
        yield from (f"{plugin.name}@{name}" for name in (card.weights if card is not None else ()))


def _protocols() -> Iterable[str]:
    from facesr_bench.plugins import registry

    for plugin in registry.datasets().plugins:
        yield from plugin.card.protocols if plugin.card is not None else ()


def _places() -> Iterable[str]:
    from facesr_bench.plugins import registry

    yield from (f"{plugin.name}=" for plugin in registry.datasets().plugins if plugin.card and plugin.card.needs_data)
    yield from (f"{name}=" for name in _protocols())


def _metrics() -> Iterable[str]:
    from facesr_bench.plugins import registry

    for plugin in registry.metrics().plugins:
        card = plugin.card
        yield plugin.name + (":" if card is not None and card.takes_argument else "")
        yield from (f"{plugin.name}[{name}]" for name in (card.variants if card is not None else ()))
        yield from (f"{plugin.name}@{name}" for name in (card.weights if card is not None else ()))


def _profiles() -> Iterable[str]:
    from facesr_bench.plugins.profile import profiles

    return profiles()


def _degradations() -> Iterable[str]:
    from facesr_bench.plugins import registry

    return registry.degradations().names()


def _weights() -> Iterable[str]:
    from facesr_bench.weights.catalogue import entries

    return (entry.name for entry in entries())


_NAMES: dict[str, tuple[_Names, bool]] = {
    "data": (_places, False),
    "degradation": (_degradations, False),
    "method": (_methods, False),
    "methods": (_methods, True),
    "metrics": (_metrics, True),
    "names": (_weights, False),
    "profile": (_profiles, False),
    "protocol": (_protocols, False),
    "protocols": (_protocols, True),
}
"""What the arguments of these names take, and whether with commas between."""
