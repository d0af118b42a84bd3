"""facesr-bench: benchmark and evaluation suite for face super-resolution.

From Python:

    import facesr_bench

    frame = facesr_bench.run(methods=["sparnet", "bicubic"], protocols=["demo-x8"])   # pandas.DataFrame
    facesr_bench.score(sr, hr, metrics=["psnr", "ssim"], profile="sparnet")           # two uint8 arrays -> dict
    facesr_bench.frechet_distance(sr_features, hr_features)                           # two NxD arrays -> float
    method = facesr_bench.load_method("sparnet")                                      # method.network, method.enhance
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facesr_bench.api import load_method, run
    from facesr_bench.metrics.frechet import frechet_distance
    from facesr_bench.scoring import score

__version__ = "0.1.0"
__all__ = ["__version__", "frechet_distance", "load_method", "run", "score"]

# Imported when first used: `import facesr_bench` and `facesr-bench --help` stay quick.
_HOME = {
    "frechet_distance": "facesr_bench.metrics.frechet",
    "load_method": "facesr_bench.api",
    "run": "facesr_bench.api",
    "score": "facesr_bench.scoring",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'facesr_bench' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
