"""The parser of every subcommand: options are typed in full, and what is wrong is said by the subcommand itself."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any, NoReturn

from facesr_bench.base.suggest import closest
from facesr_bench.base.text import printable

_LINES = 4
"""A usage of more lines would hide the message that stands below it."""


class Parser(argparse.ArgumentParser):
    """argparse's, less its abbreviations: `--method` for `--methods` would mean another thing once such an option came.

    Errors stand behind the usage of the command that was typed, where that is short, and say which name was meant.
    """

    def __init__(self, **more: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **more)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, but what a subcommand doesn't know is refused here, where its name and options are known."""
        words: Sequence[str] = sys.argv[1:] if args is None else args
        self._refuse_unknown(words)
        found, rest = super().parse_known_args(words, namespace)
        if rest:
            self.error(f"{rest[0]!r} is one word too many" if not rest[0].startswith("-") else self._no_option(rest[0]))
        return found, rest

    def error(self, message: str) -> NoReturn:
        """End with the message and how this command is used."""
        usage = self.format_usage()
        if usage.count("\n") > _LINES:
            usage = ""
        self.exit(2, printable(f"{usage}{self.prog}: error: {message}\nsee `{self.prog} --help`\n"))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = list(map(str, action.choices))
            meant = closest(str(value), known)
            hint = f"; did you mean {meant!r}?" if meant else ""
            raise argparse.ArgumentError(action, f"{value!r} is none of {', '.join(known)}{hint}")

    def _refuse_unknown(self, words: Iterable[str]) -> None:
        """Before argparse says what is missing: an option that is typed wrongly is why."""
        if any(isinstance(action, argparse._SubParsersAction) for action in self._actions):
            words = takewhile(lambda word: word.startswith("-"), words)  # the others are the subcommand's
        for word in takewhile(lambda word: word != "--", words):
            name = word.partition("=")[0]
            if name.startswith("--") and name not in self._options():
                self.error(self._no_option(name))

    def _no_option(self, name: str) -> str:
        known = [option.removeprefix("--") for option in self._options() if option.startswith("--")]
        meant = closest(name.removeprefix("--"), known)
        return f"no option is called {name!r}" + (f"; did you mean '--{meant}'?" if meant else "")

    def _options(self) -> list[str]:
        return [option for action in self._actions for option in action.option_strings]
