"""Metrics that a user could have written."""

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
