"""facesr-bench: benchmark and evaluation suite for face super-resolution.

From Python:

    import facesr_bench

    scores = facesr_bench.run(["sparnet", "bicubic"], ["demo-x8"])                    # scores.frame, scores.images
    facesr_bench.score_folders("my_results", "ground_truth", metrics=["psnr"]).frame  # folders -> pandas.DataFrame
    facesr_bench.score(sr, hr, metrics=["psnr", "ssim"], profile="sparnet")           # two uint8 arrays -> dict
    facesr_bench.frechet_distance(sr_features, hr_features)                           # two NxD arrays -> float
    method = facesr_bench.load_method("sparnet")                                      # method.network, method.enhance
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facesr_bench.api import Scores, load_method, run, score, score_folders
    from facesr_bench.base.errors import (
        CardError,
        DataError,
        DetectionError,
        FaceSRBenchError,
        FaceSRBenchWarning,
        MethodError,
        MetricError,
        PluginError,
        ResultsError,
        TrainingError,
        WeightsError,
    )
    from facesr_bench.evaluation.study import read_study
    from facesr_bench.functional.frechet import frechet_distance
    from facesr_bench.images.files import Image8, read_image
    from facesr_bench.images.resize import resize
    from facesr_bench.plugins.cards import ProtocolCard
    from facesr_bench.plugins.convention import Convention, FaceConvention, PixelConvention, Says
    from facesr_bench.plugins.dataset import DatasetBase, Item, Picture
    from facesr_bench.plugins.degradation import DegradationBase, DegradationContext
    from facesr_bench.plugins.method import AttentionMaps, MethodBase, MethodContext
    from facesr_bench.plugins.metric import MetricBase, MetricContext, SetMetric, SetValue
    from facesr_bench.plugins.sample import Sample
    from facesr_bench.weights.checkpoints import load_strictly, read_state_dict

__version__ = "0.1.0"

# Imported when first used: `import facesr_bench` and `facesr-bench --help` stay quick.
_HOME = {
    "AttentionMaps": "plugins.method",
    "CardError": "base.errors",
    "Convention": "plugins.convention",
    "DataError": "base.errors",
    "DatasetBase": "plugins.dataset",
    "DegradationBase": "plugins.degradation",
    "DegradationContext": "plugins.degradation",
    "DetectionError": "base.errors",
    "FaceConvention": "plugins.convention",
    "FaceSRBenchError": "base.errors",
    "FaceSRBenchWarning": "base.errors",
    "Image8": "images.files",
    "Item": "plugins.dataset",
    "MethodBase": "plugins.method",
    "MethodContext": "plugins.method",
    "MethodError": "base.errors",
    "MetricBase": "plugins.metric",
    "MetricContext": "plugins.metric",
    "MetricError": "base.errors",
    "Picture": "plugins.dataset",
    "PixelConvention": "plugins.convention",
    "PluginError": "base.errors",
    "ProtocolCard": "plugins.cards",
    "ResultsError": "base.errors",
    "Sample": "plugins.sample",
    "Says": "plugins.convention",
    "Scores": "api",
    "SetMetric": "plugins.metric",
    "SetValue": "plugins.metric",
    "TrainingError": "base.errors",
    "WeightsError": "base.errors",
    "frechet_distance": "functional.frechet",
    "load_method": "api",
    "load_strictly": "weights.checkpoints",
    "read_image": "images.files",
    "read_state_dict": "weights.checkpoints",
    "read_study": "evaluation.study",
    "resize": "images.resize",
    "run": "api",
    "score": "api",
    "score_folders": "api",
}
__all__ = [
    "AttentionMaps",
    "CardError",
    "Convention",
    "DataError",
    "DatasetBase",
    "DegradationBase",
    "DegradationContext",
    "DetectionError",
    "FaceConvention",
    "FaceSRBenchError",
    "FaceSRBenchWarning",
    "Image8",
    "Item",
    "MethodBase",
    "MethodContext",
    "MethodError",
    "MetricBase",
    "MetricContext",
    "MetricError",
    "Picture",
    "PixelConvention",
    "PluginError",
    "ProtocolCard",
    "ResultsError",
    "Sample",
    "Says",
    "Scores",
    "SetMetric",
    "SetValue",
    "TrainingError",
    "WeightsError",
    "__version__",
    "frechet_distance",
    "load_method",
    "load_strictly",
    "read_image",
    "read_state_dict",
    "read_study",
    "resize",
    "run",
    "score",
    "score_folders",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'facesr_bench' has no attribute {name!r}")
    return getattr(import_module(f"facesr_bench.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
