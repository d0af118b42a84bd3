"""A task as JSON, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facesr_bench.evaluation.predictor import Task
from facesr_bench.plugins.cards import ProtocolCard

_PATHS = ("weights", "log", "network")


def task_to_data(task: Task) -> dict[str, Any]:
    """A task in values that JSON has."""
    paths = {name: getattr(task, name) for name in _PATHS}
    return {
        **{name: getattr(task, name) for name in ("method", "device", "precision", "timeout", "backend")},
        **{name: None if path is None else str(path) for name, path in paths.items()},
        "protocol": task.protocol.model_dump(mode="json"),
    }


def task_from_data(data: dict[str, Any]) -> Task:
    """The task that `task_to_data` wrote."""
    paths = {name: None if data[name] is None else Path(data[name]) for name in _PATHS}
    return Task(**{**data, **paths, "protocol": ProtocolCard.model_validate(data["protocol"])})
