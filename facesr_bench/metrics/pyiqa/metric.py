"""A metric of pyiqa's, with HR where it compares; what follows the colon is pyiqa's name for it."""

from __future__ import annotations

import importlib.util
from typing import Any

from facesr_bench.base.errors import MetricError
from facesr_bench.functional.pyiqa_files import CAUTIONS, COMPARING, TRAINED_ON
from facesr_bench.functional.pyiqa_metric import NOT_INSTALLED, PyiqaMetric, licence
from facesr_bench.images.files import Image8
from facesr_bench.plugins.metric import MetricBase
from facesr_bench.plugins.sample import Sample


class Metric(MetricBase):
    """The direction is pyiqa's, known once its network is open."""

    _scorer: PyiqaMetric | None = None

    def why_unavailable(self) -> str | None:
        return NOT_INSTALLED if importlib.util.find_spec("pyiqa") is None else None

    def load(self) -> None:
        name, device = str(self.argument), self.device
        self._scorer = self.shared(("pyiqa", name, device), lambda: PyiqaMetric(name, device))

    @property
    def title(self) -> str:
        name = str(self.argument)
        return f"{name.upper()} ({TRAINED_ON[name]})" if name in TRAINED_ON else name.upper()

    def convention_in_words(self) -> list[str]:
        caution = CAUTIONS.get(str(self.argument))
        return [] if caution is None else [caution]

    @property
    def higher_is_better(self) -> bool | None:
        return None if self._scorer is None else self._scorer.higher_is_better

    def describe(self) -> dict[str, Any]:
        package = None if self._scorer is None else f"pyiqa {self._scorer.version} ({licence()})"
        return {**super().describe(), "package": package}

    def prepare_sample(self, sample: Sample) -> Image8 | None:
        if str(self.argument) in COMPARING and sample.hr is None:
            raise MetricError(f"pyiqa:{self.argument} needs ground truth, which there is not")
        return sample.hr

    def per_image(self, sr: Image8, reference: Image8 | None) -> float:
        assert self._scorer is not None  # load has been called
        return self._scorer.score(sr, reference)
