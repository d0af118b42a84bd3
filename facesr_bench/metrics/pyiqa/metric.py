"""No-reference quality through pyiqa; what follows the colon is pyiqa's name for it."""

from __future__ import annotations

import importlib.util
from typing import Any

from facesr_bench.functional.no_reference import NOT_INSTALLED, NoReference, licence
from facesr_bench.images.files import Image8
from facesr_bench.plugins.metric import MetricBase


class Metric(MetricBase):
    """The direction is pyiqa's, known once its network is open."""

    _scorer: NoReference | None = None

    def why_unavailable(self) -> str | None:
        return NOT_INSTALLED if importlib.util.find_spec("pyiqa") is None else None

    def load(self) -> None:
        name, device = str(self.argument), self.device
        self._scorer = self.shared(("pyiqa", name, device), lambda: NoReference(name, device))

    @property
    def title(self) -> str:
        return str(self.argument).upper()

    @property
    def higher_is_better(self) -> bool | None:
        return None if self._scorer is None else self._scorer.higher_is_better

    def describe(self) -> dict[str, Any]:
        package = None if self._scorer is None else f"pyiqa {self._scorer.version} ({licence()})"
        return {**super().describe(), "package": package}

    def per_image(self, sr: Image8, reference: Any) -> float:
        del reference
        assert self._scorer is not None  # load has been called
        return self._scorer.score(sr)
