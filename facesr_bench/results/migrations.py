"""Manifests of earlier releases, brought to today's form as they are read: one step per version of the format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from facesr_bench.base import hashing, schema1
from facesr_bench.results.record import SCHEMA


def migrated(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest of any known version as one of version `SCHEMA`.

    Raises:
        KeyError, TypeError, AttributeError: it lacks what every manifest of its version has.
    """
    data = dict(manifest)
    for version in range(data["schema_version"], SCHEMA):
        data = {**_STEPS[version](data), "schema_version": version + 1}
    return data


def known(version: object) -> bool:
    """Whether manifests of a version can be read."""
    return version == SCHEMA or version in _STEPS


def _from_1(old: Mapping[str, Any]) -> dict[str, Any]:
    """Version 1 stored no hash of what decides the numbers, no request, no places of metrics, and profiles flat."""
    decides = {
        "protocol": schema1.canonical_protocol(old["protocol"]),
        "profile": schema1.canonical_profile(old["profile"]),
    }
    return {
        **old,
        "profile": schema1.nested_profile(old["profile"]),
        "metrics": schema1.placed_metrics(old["metrics"]),
        "definition": hashing.fingerprint(decides, pipeline=1),
        "request": None,
    }


def _from_2(old: Mapping[str, Any]) -> dict[str, Any]:
    """Version 2 has the same fields, but no checksum in any file: see `Result.mend`."""
    return dict(old)


_STEPS: dict[int, Callable[[Mapping[str, Any]], dict[str, Any]]] = {1: _from_1, 2: _from_2}
