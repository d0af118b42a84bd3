"""What decides: which metrics, by which margins, in which tier. Cards have defaults, a `gate.toml` may say otherwise.

inconclusive = "ok"           # what is not sure counts as no worse
two_sided = true              # a rise above the margin is flagged too

[metrics.psnr]
margin = 0.1                  # dB; 0: every value must be equal
severity = 2.0                # an image that loses more counts as broken
broken = 1                    # so many broken images more than before are let pass

[metrics."lpips*"]
tier = "supporting"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.invalid import problems
from facesr_bench.base.suggest import unknown
from facesr_bench.base.toml import read_toml
from facesr_bench.results.record import MetricRecord

Tier = Literal["critical", "supporting", "advisory"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)  # `exact = "no"` is no boolean


class Rule(_Table):
    """What a policy says of one metric, or of all that a pattern matches; None: as the card says."""

    margin: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    severity: float | None = Field(default=None, gt=0)
    broken: int = Field(default=0, ge=0)
    faceless: int = Field(default=0, ge=0)
    tier: Tier = "critical"


class Policy(_Table):
    """All that decides beside the values.

    Attributes:
        metrics: by name or pattern (`lpips*`); empty: every metric that the baseline holds.
        inconclusive: whether what is not sure counts as no worse.
        two_sided: flag a gain above the margin too.
        exact: every picture and value must be equal.
        allow_missing: images that may be on one side alone.
    """

    metrics: dict[str, Rule] = Field(default_factory=dict)
    inconclusive: Literal["fail", "ok"] = "fail"
    two_sided: bool = False
    exact: bool = False
    allow_missing: int = Field(default=0, ge=0)

    def but(self, **changes: Any) -> Policy:
        """The same with what the command line says: what is None stays."""
        return self.model_copy(update={name: value for name, value in changes.items() if value is not None})

    def names(self, metric: str) -> bool:
        """Whether it says something of a metric."""
        return any(fnmatchcase(metric, pattern) for pattern in self.metrics)

    def unmatched(self, names: Iterable[str]) -> list[str]:
        """The names and patterns that are none of `names`, each with what was meant."""
        known = list(names)
        return [
            unknown("metric of the baseline", pattern, known).replace("\n", "; ")
            for pattern in self.metrics
            if not any(fnmatchcase(name, pattern) for name in known)
        ]

    def rules(self, described: Mapping[str, MetricRecord]) -> dict[str, Rule]:
        """The rule of each metric that is gated or shown by a tier, its margin and severity filled in from the cards.

        The last pattern that matches a metric counts.

        Args:
            described: the metrics of the baseline.
        """
        found = {}
        for name, metric in described.items():
            rule = Rule() if not self.metrics else None
            for pattern, said in self.metrics.items():
                rule = said if fnmatchcase(name, pattern) else rule
            if rule is not None:
                margin = 0.0 if self.exact else metric.margin if rule.margin is None else rule.margin
                severity = metric.severity if rule.severity is None else rule.severity
                found[name] = rule.model_copy(update={"margin": margin, "severity": severity})
        return found


def read_policy(path: Path) -> Policy:
    """The policy that a file states.

    Raises:
        CardError: it can't be read, or is not TOML.
        ResultsError: a field that there is not (with what was meant), or a value that can't be.
    """
    data = read_toml(path)
    _check_names(path, data)
    try:
        return Policy.model_validate(data)
    except ValidationError as error:
        raise ResultsError(f"{path}: {problems(error)}") from error


def _check_names(path: Path, data: Mapping[str, Any]) -> None:
    """A misspelt field gets a better message than a schema's."""
    tables: list[tuple[str, Any, Iterable[str]]] = [("field of a policy", data, Policy.model_fields)]
    metrics = data.get("metrics")
    if isinstance(metrics, dict):
        tables += [(f"field of [metrics.{name}]", rule, Rule.model_fields) for name, rule in metrics.items()]
    for kind, table, known in tables:
        for name in table if isinstance(table, dict) else ():
            if name not in known:
                raise ResultsError(f"{path}: {unknown(kind, name, known)}")
