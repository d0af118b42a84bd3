"""What `--help` says of an option is true of the command that it is printed by."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Set
from importlib import import_module

import pytest

from facesr_bench.cli import COMMANDS, MODULES

ELSEWHERE = re.compile(r"`[^`]*`|facesr-bench [^;:()]*")
"""A command line of another command."""


def named_but_absent(parser: argparse.ArgumentParser, above: Set[str] = frozenset()) -> Iterator[str]:
    """Options that a help text speaks of and the command doesn't take."""
    own = above | {name for action in parser._actions for name in action.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from named_but_absent(sub, own)
        for name in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", ELSEWHERE.sub("", action.help or "")):
            if name not in own:
                yield f"{parser.prog}: the help of {'/'.join(action.option_strings) or action.dest} names {name}"


@pytest.mark.parametrize("command", COMMANDS)
def test_an_options_help_names_options_of_its_own_command(command: str) -> None:
    parser = argparse.ArgumentParser(prog=command)
    import_module(f"facesr_bench.cli.{MODULES.get(command, command)}").configure(parser)
    assert list(named_but_absent(parser)) == []
