"""Arguments of the command line, made from the options that a request declares (`facesr_bench.base.options`)."""

from __future__ import annotations

import argparse
from typing import Any

from facesr_bench.base.options import Flag, Option, options_of


def whole(text: str) -> int:
    """What was typed, as a whole number: `type` of an argument."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def number(text: str) -> float:
    """What was typed, as a number: `type` of an argument."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def add_options(parser: argparse.ArgumentParser, request: type[Any], *, elsewhere: bool = False) -> None:
    """An argument for every option of a request.

    Args:
        elsewhere: what must be given may also be given otherwise, so the parser does not insist on it.
    """
    for option in options_of(request).values():
        add_option(parser, option, elsewhere=elsewhere)


def add_option(parser: argparse.ArgumentParser, option: Option[Any, Any], *, elsewhere: bool = False) -> None:
    """One argument; what was not typed is None, so that a default is stated by its option alone."""
    default = f" (default: {option.shown()})" if option.shown() else ""
    kept: dict[str, Any] = {"dest": option.name, "default": None, "help": option.help.replace("%", "%%") + default}
    if isinstance(option, Flag):
        parser.add_argument(option.flag, action="store_const", const=True, **kept)
        return
    parser.add_argument(
        option.flag,
        action="append" if option.repeatable else "store",
        choices=option.choices or None,
        metavar=None if option.choices else option.metavar,
        required=option.required and not elsewhere,
        **kept,
    )


def given(arguments: argparse.Namespace, request: type[Any]) -> dict[str, Any]:
    """What was typed of a request's options, by name.

    Raises:
        FaceSRBenchError: not of the option's form.
    """
    return {
        name: typed(arguments, option)
        for name, option in options_of(request).items()
        if getattr(arguments, name, None) is not None
    }


def typed(arguments: argparse.Namespace, option: Option[Any, Any]) -> Any:
    """What was typed of one option, or its default.

    Raises:
        FaceSRBenchError: not of the option's form.
    """
    text = getattr(arguments, option.name)
    if text is None:
        return option.nothing() if option.default is None else option.default
    return option.convert(option.read(text))
