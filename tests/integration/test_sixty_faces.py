"""Sixty real faces and five metrics: the same numbers whoever does the work, and with how many threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import RunOutcome, RunRequest

from .test_processes import same

ray: Any = pytest.importorskip("ray")


@pytest.mark.full
def test_threads_processes_and_ray_give_the_same_bits_of_five_metrics(
    shared: Path, inception_weights: Path, tmp_path: Path
) -> None:
    weights = shared / "weights"
    metrics = (
        "psnr",
        "ssim",
        f"lpips@squeeze={weights / 'squeezenet1_1_features.pth'}",
        f"identity@mobilefacenet-ms1m={weights / 'mobilefacenet_arcface_ms1m.onnx'}",
        f"fid@inception-2015={inception_weights}",
    )

    def run(threads: int, **how: Any) -> RunOutcome:
        """In a process of so many threads of torch."""
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return runner.run(
                RunRequest(
                    ("sparnet", "bicubic"),
                    ("helen-x8",),
                    {"helen": shared / "faces" / "helen_test"},
                    limit=60,
                    metrics=metrics,
                    attention=0,  # maps are made by all threads of torch
                    out=tmp_path / "-".join(map(str, (threads, *how.values()))),
                    **how,
                )
            )
        finally:
            torch.set_num_threads(before)

    ray.shutdown()  # what another test has left may have been started with other settings
    alone = run(1, executor="threads", workers=1)
    assert alone.problems == []
    for result in alone.results:
        found = result.rows()
        assert len(found) == 60 and all(len(row.metrics) == 4 for row in found.values())
        (distance,) = result.sets().values()
        assert distance["value"] > 0
    for threads, how in ((2, "threads"), (1, "processes"), (2, "processes"), (1, "ray")):
        other = run(threads, executor=how, workers=2)
        same(alone, other)
        for one, two in zip(alone.results, other.results, strict=True):
            assert one.sets() == two.sets(), (threads, how)
            assert one.manifest.fingerprint == two.manifest.fingerprint
            assert two.manifest.environment.threads == (threads if how == "threads" else 1)
