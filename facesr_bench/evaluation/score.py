"""What a run does with a finished picture: quantised, saved, scored, its maps and features kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.base.stages import stage
from facesr_bench.evaluation.inputs import Loaded
from facesr_bench.evaluation.predict import Output
from facesr_bench.evaluation.scorer import Prepared, Scorer
from facesr_bench.images.files import Image8, read_image, write_png
from facesr_bench.images.maps import write_map
from facesr_bench.images.quantise import Quantise, quantise
from facesr_bench.results.arrays import stored_array, write_array
from facesr_bench.results.checks import DamagedError
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.store import Result


@dataclass(frozen=True)
class ResultPlace:
    """Keeps maps and features of one image in its result's folder."""

    result: Result
    image_id: str
    wants_maps: bool = True

    def keep_map(self, key: str, values: NDArray[np.float32]) -> None:
        """Raises: ResultsError: it can't be written."""
        write_map(self.result.metric_map_path(key, self.image_id), values)

    def keep_features(self, extractor: str, compute: Callable[[], NDArray[np.float32]]) -> None:
        """Compute and write them, unless the file is there.

        Two metrics may share an extractor: the second finds the file. One left by an earlier image of this name would
        be of another fingerprint, so elsewhere; `--resume never` clears it.

        Raises:
            ResultsError: it can't be written.
        """
        path = self.result.features_path(extractor, self.image_id)
        try:
            if stored_array(path) is not None:
                return
        except DamagedError:
            self.result.damaged.append(path)
        write_array(path, compute())


def score_output(
    output: Output, loaded: Loaded, scorer: Scorer, result: Result, mode: Quantise, keep: bool = True
) -> ImageRecord:
    """Quantise, save and score one output.

    Args:
        mode: the profile's quantisation (`round` or `truncate`).
        keep: whether the picture and its maps are saved.

    Returns:
        The record for images.jsonl.
    """
    sample = loaded.sample
    with stage("quantise and PNG of SR"):
        sr = output.picture if output.sr is None else quantise(output.sr, mode)
        if sr is None:
            return ImageRecord(loaded.id, error=output.error, identity=sample.identity)
        if keep:
            write_png(result.sr_path(loaded.id), sr)
    record = score_image(sr, loaded, scorer, result, keep)
    record.ms = output.ms
    return record


def score_image(sr: Image8, loaded: Loaded, scorer: Scorer, result: Result, maps: bool = True) -> ImageRecord:
    """Every metric of one finished image; maps, if they are wanted, and features go into the result's folder."""
    prepared = loaded.prepared
    assert isinstance(prepared, Prepared)  # images that could not be read never get here
    return scorer.score(sr, prepared, ResultPlace(result, loaded.id, maps))


def saved_output(result: Result, image_id: str) -> Image8 | None:
    """The image of an earlier run with the same fingerprint, or None if it is not on disk or not readable."""
    path = result.sr_path(image_id)
    if not path.is_file():
        return None
    try:
        with stage("decode"):
            return read_image(path)
    except FaceSRBenchError:
        result.damaged.append(path)
        return None
