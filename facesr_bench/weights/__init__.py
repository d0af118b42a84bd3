"""Checkpoints: which file a name means, whether it can be trusted, how it gets here, and how it is read.

    catalogue    what there is to fetch: evaluator networks (catalogue.toml) and every method's published weights
    cache        the cache folder, and hashes of big files remembered
    store        pins, and the answer to "may this file be used?"
    download     one URL into one file: resumed, retried, its length checked
    archives     one member out of a zip, safely
    fetching     fetch and import: lock, verify, and move into place
    chosen       the file that `method@weights` means
    checkpoints  reading a file's tensors without running code from it

Nothing here downloads unless the user asked for it with `facesr-bench weights fetch`.
"""

from __future__ import annotations

from facesr_bench.weights.cache import cache_folder
from facesr_bench.weights.checkpoints import add_batch_counts, load_strictly, load_tensors, read_state_dict
from facesr_bench.weights.chosen import Weights, location, resolve
from facesr_bench.weights.store import require

__all__ = [
    "Weights",
    "add_batch_counts",
    "cache_folder",
    "load_strictly",
    "load_tensors",
    "location",
    "read_state_dict",
    "require",
    "resolve",
]
