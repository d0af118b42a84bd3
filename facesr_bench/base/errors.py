"""Every error that a user can cause or mend; the command line prints it without a traceback."""

from __future__ import annotations

from facesr_bench.base.text import printable


class FaceSRBenchError(Exception):
    """Base of all: the message says what is wrong, where, and what to do."""


class CardError(FaceSRBenchError):
    """A card.toml that is not what the contract asks for."""


class PluginError(FaceSRBenchError):
    """A plug-in that can't be found, is ambiguous, or fails to import (`details` holds its traceback)."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class DataError(FaceSRBenchError):
    """A dataset that is missing, incomplete, or holds an unreadable image."""


class WeightsError(FaceSRBenchError):
    """A checkpoint that is missing, of another network, or not to be trusted."""


class MethodError(FaceSRBenchError):
    """A method that broke its contract on an input."""


class MetricError(FaceSRBenchError):
    """A metric that can't be computed; the message is the reason its cell shows."""


class DetectionError(MetricError):
    """A detector found no face; counted apart from metrics that can't be computed at all."""


class ResultsError(FaceSRBenchError):
    """Results on disk that can't be read or written."""


class TrainingError(FaceSRBenchError):
    """A training that can't start or go on: a wrong setting, another run's folder, a loss that is not finite."""


class FaceSRBenchWarning(UserWarning):
    """Part of what was asked for failed; the rest is returned."""


PLUGIN_ERRORS = (Exception, SystemExit)
"""What the code of a plug-in may raise. SystemExit too: argparse, and scripts that are imported, raise it, and it must
end neither the run nor the other methods."""


class StrangeError(Exception):
    """Stands for what strangers' code raised that is no ordinary error: GeneratorExit, a BaseException of its own.

    Attributes:
        raised: that.
    """

    def __init__(self, raised: BaseException) -> None:
        super().__init__(describe(raised))
        self.raised = raised


def describe(error: BaseException) -> str:
    """`TypeError: its message`; raises nothing, whatever a plug-in's own error does when it is printed."""
    if isinstance(error, StrangeError):
        return describe(error.raised)
    said = _message(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its class where it has none."""
    return (_message(error).splitlines() or [type(error).__name__])[0]


def _message(error: BaseException) -> str:
    try:
        return printable(str(error)).strip()
    except KeyboardInterrupt:
        raise
    except BaseException as another:
        return f"(its message can't be read: {type(another).__name__})"
