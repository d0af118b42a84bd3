"""Metrics as tests make them, and one that a user could have written."""

from __future__ import annotations

from facesr_bench.evaluation.metrics import Setup, make_metric
from facesr_bench.plugins.metric import MetricBase, Unavailable
from facesr_bench.plugins.profile import Profile, get_profile
from facesr_bench.plugins.spec import parse_metric

MEANS = """
import numpy as np
from facesr_bench import SetMetric, SetValue

class Metric(SetMetric):
    extractor = "means-v1"

    def features(self, image):
        return image.mean(axis=(0, 1), dtype=np.float32)

    def of_set(self, sr, reference):
        return SetValue(float(np.abs(sr - reference).mean()))
"""
"""Of a set: how far the mean colours of its pictures lie from those of the ground truth, in levels."""


def load_metric(name: str, profile: str | Profile, scale: int, device: str = "cpu") -> MetricBase:
    """The metric called `name` under a profile, made but not loaded.

    Raises:
        PluginError: no metric has that name (suggests one), or it fails to import.
        MetricError: no profile has that name (suggests one), the scale is not a positive whole number, or the class
            is not a metric.
        FaceSRBenchError: it can't be computed here; says why.
    """
    choice = parse_metric(name)
    setup = Setup(get_profile(profile, [choice.plugin]) if isinstance(profile, str) else profile, scale, device)
    metric = make_metric(choice, setup)
    if isinstance(metric, Unavailable):
        raise metric.error
    return metric
