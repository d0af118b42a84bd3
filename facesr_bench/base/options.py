"""Options declared once: the fields of a dataclass, each with its default, help and limits.

    @dataclass(frozen=True)
    class Request:
        limit: Option[int | None, int | None] = Count(None, "only the first N images", least=1)

`Request(limit="no")` is refused with a message, the command line's arguments are made from the same fields
(`facesr_bench.cli.options`), and a function can take them as its own arguments (`takes_options`). The first type is
what may be given, the second what the field then holds; type checkers know both.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import math
import textwrap
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.base.grammar import split_list
from facesr_bench.base.suggest import expanded

Given = TypeVar("Given")
Kept = TypeVar("Kept")
_P = ParamSpec("_P")
_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")

REQUIRED = object()
"""The default of an option that must be given."""


class Option(Generic[Given, Kept]):
    """One option, as a descriptor: a dataclass that has it checks and converts what the field is set to.

    Attributes:
        name: the field's; the command line's is the same with dashes.
        default: `REQUIRED` where there is none; None where what is not given is decided elsewhere.
        help: a line for `--help` and for docstrings.
        metavar: what stands for the value in `--help`.
        choices: the values there are, where they are few.
        repeatable: whether the command line may give it more than once.
    """

    metavar: str | None = None
    choices: tuple[str, ...] = ()
    repeatable = False

    def __init__(self, default: Any, help: str, *, metavar: str | None = None) -> None:  # noqa: A002
        self.name = ""
        self.default, self.help = default, help
        self.metavar = metavar or self.metavar

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    def __get__(self, instance: object | None, owner: type[Any] | None = None) -> Kept:
        if instance is None:
            if self.required:
                raise AttributeError(self.name)  # by which the dataclass knows that it has no default
            return self.default  # type: ignore[no-any-return]
        return instance.__dict__[self.name]  # type: ignore[no-any-return]

    def __set__(self, instance: object, value: Given) -> None:
        nothing = value is None and self.default is None
        instance.__dict__[self.name] = self.nothing() if nothing else self.convert(value)

    @property
    def required(self) -> bool:
        """Whether a request must say it: there is no default."""
        return self.default is REQUIRED

    @property
    def flag(self) -> str:
        """How the command line spells it: `--batch-size`."""
        return "--" + self.name.replace("_", "-")

    def but(self, **changes: Any) -> Option[Given, Kept]:
        """The same option with another default or help, for another command."""
        other = copy.copy(self)
        for name, value in changes.items():
            setattr(other, name, value)
        return other

    def nothing(self) -> Any:
        """What the field holds where nothing was given."""
        return None

    def convert(self, value: Any) -> Any:
        """What the field holds for a value.

        Raises:
            FaceSRBenchError: it can't be meant; says what it must be.
        """
        return value

    def read(self, text: Any) -> Any:
        """A value from what was typed: a text, or all the texts of a repeatable option.

        Raises:
            FaceSRBenchError: it is not of the right form.
        """
        return text

    def as_data(self, value: Any) -> Any:
        """What the field holds, in types that JSON has."""
        return value

    def shown(self) -> str:
        """The default as `--help` shows it; empty where there is none to show."""
        return "" if self.required or self.default is None else str(self.default)

    def refuse(self, value: Any, what: str) -> FaceSRBenchError:
        """The error for a value that can't be meant; says what it must be."""
        return FaceSRBenchError(f"{self.name} {value!r}: it must be {what}")


class Text(Option[Any, Any]):
    """Any text, or one that `check` lets pass."""

    def __init__(
        self,
        default: Any,
        help: str,  # noqa: A002
        *,
        metavar: str | None = None,
        check: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(default, help, metavar=metavar)
        self._check = check

    def convert(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self.refuse(value, "a text")
        if self._check is not None:
            self._check(value)
        return value


class Choice(Option[Any, Any]):
    """One of a few texts."""

    def __init__(self, default: Any, help: str, choices: tuple[str, ...]) -> None:  # noqa: A002
        super().__init__(default, help)
        self.choices = choices

    def convert(self, value: Any) -> str:
        if value not in self.choices:
            raise self.refuse(value, f"one of {', '.join(self.choices)}")
        return str(value)


class Flag(Option[Any, Any]):
    """False unless asked for."""

    def __init__(self, help: str) -> None:  # noqa: A002
        super().__init__(False, help)

    def convert(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self.refuse(value, "True or False")
        return value

    def shown(self) -> str:
        return ""


class Count(Option[Any, Any]):
    """A whole number, `least` or more."""

    metavar = "N"

    def __init__(self, default: Any, help: str, *, least: int) -> None:  # noqa: A002
        super().__init__(default, help)
        self.least = least

    def convert(self, value: Any) -> int:
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise self.refuse(value, "a whole number")
        number = int(value)
        if number < self.least:
            raise self.refuse(number, f"at least {self.least}")
        return number

    def read(self, text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise self.refuse(text, "a whole number") from None


class Share(Option[Any, Any]):
    """Which of several equal parts: `(2, 8)`; the command line takes 2/8, the first is 1/8."""

    metavar = "I/N"

    def convert(self, value: Any) -> tuple[int, int]:
        try:
            part, parts = map(int, value.split("/") if isinstance(value, str) else value)
        except (TypeError, ValueError):
            raise self.refuse(value, "I/N, two whole numbers, such as 2/8") from None
        if not 1 <= part <= parts:
            raise self.refuse(value, f"I/N with I from 1 to N: the first part is 1/{max(parts, 1)}")
        return part, parts

    def as_data(self, value: Any) -> str | None:
        return None if value is None else f"{value[0]}/{value[1]}"


class Seconds(Option[Any, Any]):
    """A time, more than nothing."""

    metavar = "SECONDS"

    def convert(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise self.refuse(value, "a number of seconds, more than 0")
        return float(value)

    def read(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise self.refuse(text, "a number of seconds, more than 0") from None


class Folder(Option[Any, Any]):
    """A path; `~` is the home folder."""

    metavar = "DIR"

    def convert(self, value: Any) -> Path:
        if not isinstance(value, (str, Path)):
            raise self.refuse(value, "a path")
        return expanded(value)

    def as_data(self, value: Any) -> str | None:
        return None if value is None else str(value)


class Names(Option[Any, Any]):
    """Several names, as a list; the command line takes them with commas between."""

    metavar = "A,B"
    repeatable = True

    def convert(self, value: Any) -> tuple[str, ...]:
        if isinstance(value, str):  # whose letters would be taken for names
            raise FaceSRBenchError(f"{self.name} must be a list of names, such as [{value!r}], not one string")
        names = tuple(value)
        if not all(isinstance(name, str) for name in names):
            raise self.refuse(value, "a list of names")
        return names

    def read(self, text: list[str]) -> list[str]:
        names = split_list(text)
        for one, following in pairwise(names):
            _refuse_torn(self.flag, one, following)
        return names

    def as_data(self, value: Any) -> list[str] | None:
        return None if value is None else list(value)

    def shown(self) -> str:
        return "" if self.required or self.default is None else ",".join(self.default)


class Places(Option[Any, Any]):
    """Paths by name: `{"helen": "/data/helen"}`; the command line takes NAME=DIR, once for each."""

    metavar = "NAME=DIR"
    repeatable = True
    example = "helen=/data/helen"

    def nothing(self) -> Any:
        return {}

    def convert(self, value: Any) -> dict[str, Path]:
        if not isinstance(value, Mapping) or not all(isinstance(path, (str, Path)) for path in value.values()):
            raise self.refuse(value, "paths by name, such as {'helen': '/data/helen'}")
        return {name: expanded(path) for name, path in value.items()}

    def read(self, text: list[str]) -> dict[str, str]:
        return dict(_named_path(self, one, f"{self.flag} {self.example}") for one in text)

    def as_data(self, value: Any) -> dict[str, str]:
        return {name: str(path) for name, path in value.items()}


class NamedFile(Option[Any, Any]):
    """A name and a file: `("ffhq512", "ffhq512.npz")`; the command line takes NAME=FILE."""

    metavar = "NAME=FILE"
    example = "ffhq512=ffhq512.npz"

    def convert(self, value: Any) -> tuple[str, Path]:
        try:
            ((name, path),) = value.items() if isinstance(value, Mapping) else (value,)
            return str(name), expanded(path)
        except (TypeError, ValueError):
            raise self.refuse(value, "a name and a file, such as ('ffhq512', 'ffhq512.npz')") from None

    def read(self, text: str) -> tuple[str, str]:
        return _named_path(self, text, self.example)

    def as_data(self, value: Any) -> dict[str, str] | None:
        return None if value is None else {value[0]: str(value[1])}


def _refuse_torn(flag: str, one: str, following: str) -> None:
    """Refuse a path that a comma in it has torn in two.

    Raises:
        FaceSRBenchError: the two halves are a file's or folder's name together, and the first is none alone.
    """
    start = max(one.rfind(sign) for sign in "@:=") + 1
    if start and not _is_there(one[start:]) and _is_there(path := f"{one[start:]},{following}"):
        raise FaceSRBenchError(
            f"{flag}: a comma ends a name, also the one in {path}; quote it for facesr-bench and for the shell: "
            f"{flag} '{one[:start]}\"{path}\"'"
        )


def _is_there(path: str) -> bool:
    try:
        return expanded(path).exists()
    except OSError:  # no name that a file can have
        return False


def _named_path(option: Option[Any, Any], text: str, example: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not equals or not name or not path:
        raise FaceSRBenchError(f"{option.flag} {text!r}: write it as {option.metavar}, for example {example}")
    return name, path


def options_of(request: type[Any]) -> dict[str, Option[Any, Any]]:
    """The options that a dataclass declares, or its bases do, by name."""
    declared = {name: value for cls in reversed(request.__mro__) for name, value in vars(cls).items()}
    return {field.name: declared[field.name] for field in dataclasses.fields(request)}


def changed(request: Any) -> dict[str, Any]:
    """What differs from the defaults, by name, in types that JSON has."""
    found = {}
    for name, option in options_of(type(request)).items():
        value = getattr(request, name)
        if option.required or value != (option.nothing() if option.default is None else option.default):
            found[name] = option.as_data(value)
    return found


def takes_options(
    request: Callable[_P, _Request],
) -> Callable[[Callable[[_Request], _Answer]], Callable[_P, _Answer]]:
    """Decorator: a function of a request becomes one that takes the request's options as its own arguments.

    Its signature and types are those of the request, and `{options}` in its docstring is replaced by their helps.
    """

    def decorate(answer: Callable[[_Request], _Answer]) -> Callable[_P, _Answer]:
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _Answer:
            return answer(request(*args, **kwargs))

        assert isinstance(request, type)
        call.__name__, call.__qualname__, call.__module__ = answer.__name__, answer.__qualname__, answer.__module__
        call.__doc__ = (answer.__doc__ or "").replace("{options}", _described(request))
        call.__signature__ = _signature(request, answer)  # type: ignore[attr-defined]
        return call

    return decorate


def _described(request: type[Any]) -> str:
    indent = " " * 12
    lines = []
    for name, option in options_of(request).items():
        rest = [choice for choice in option.choices if choice not in option.help]
        text = f"{name}: {option.help}" + (f" ({', '.join(rest)})" if rest else "")
        lines.append(textwrap.fill(text, 112, subsequent_indent=indent, break_on_hyphens=False))
    return "\n        ".join(lines)


def _signature(request: type[Any], answer: Callable[..., Any]) -> inspect.Signature:
    """The request's own, with defaults as one would type them."""
    made = inspect.signature(request)
    parameters = []
    for parameter in made.parameters.values():
        default = parameter.default
        shown = str(default) if isinstance(default, Path) else default
        parameters.append(parameter.replace(default=shown, annotation=parameter.empty))
    returned = inspect.signature(answer).return_annotation
    return made.replace(parameters=parameters, return_annotation=returned)
