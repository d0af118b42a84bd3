"""NIQE as BasicSR computes it, beside pyiqa's (`pyiqa:niqe`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facesr_bench.functional.niqe import Niqe, write_random_file
from facesr_bench.functional.pyiqa_files import CAUTIONS
from facesr_bench.images.files import Image8
from facesr_bench.plugins.cards import MetricCard
from facesr_bench.plugins.metric import MetricBase


class Metric(MetricBase):
    """See `facesr_bench.functional.niqe`."""

    @classmethod
    def random_weights(cls, card: MetricCard, name: str, folder: Path) -> Path | None:
        return write_random_file(folder / "niqe.npz")

    def convention_in_words(self) -> list[str]:
        return ["on luma (BT.601) in whole levels", CAUTIONS["niqe"]]

    def load(self) -> None:
        weights = self.require_weights()
        self._niqe = self.shared(("niqe", weights.sha256), lambda: Niqe(weights.path))

    def per_image(self, sr: Image8, reference: Any) -> float:
        return self._niqe.score(sr)
