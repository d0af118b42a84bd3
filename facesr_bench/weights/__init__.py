"""Checkpoints: which file a name means, whether it can be trusted, how it gets here, and how it is read.

    catalogue    what there is to fetch: evaluator networks (catalogue.toml) and every method's published weights
    store        pins, and the answer to "may this file be used?"
    download     one URL into one file: resumed, retried, its length checked
    archives     one member out of a zip, safely
    fetching     fetch and import: lock, verify, and move into place
    resolve      the file that `method@weights` or `metric@network` means
    checkpoints  reading a file's tensors without running code from it

Nothing here downloads unless the user asked for it with `facesr-bench weights fetch`.
"""

from __future__ import annotations

from facesr_bench.base.hashing import cache_folder
from facesr_bench.weights.checkpoints import (
    add_batch_counts,
    load_strictly,
    load_tensors,
    read_state_dict,
    write_random,
)
from facesr_bench.weights.resolve import Weights, check_metric_unchanged, location, resolve_method, resolve_metric
from facesr_bench.weights.store import require

__all__ = [
    "Weights",
    "add_batch_counts",
    "cache_folder",
    "check_metric_unchanged",
    "load_strictly",
    "load_tensors",
    "location",
    "read_state_dict",
    "require",
    "resolve_method",
    "resolve_metric",
    "write_random",
]
