"""A checkpoint that changes behind its size and date never gives a number under its earlier name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import RunOutcome, RunRequest

from .conftest import MakeMethod

BODY = """
from pathlib import Path
gain = torch.load(Path(__file__).with_name("gain.pth"), weights_only=True)
return (functional.interpolate(lr, scale_factor=self.scale, mode="nearest") * gain["gain"]).clamp(0, 1)
"""


def test_a_run_names_a_result_after_the_checkpoint_as_it_is_now(
    faces: Path, tmp_path: Path, make_method: MakeMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))
    method = make_method("mine", BODY)
    path = Path(method) / "gain.pth"

    def write(gain: float) -> None:
        stamp = path.stat() if path.exists() else None
        torch.save({"gain": torch.tensor(gain)}, path)
        if stamp is not None:
            assert path.stat().st_size == stamp.st_size
            os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    def run(limit: int) -> RunOutcome:
        asked = RunRequest(
            (method,), ("folder-x8",), {"folder-x8": faces}, out=tmp_path / "out", metrics=("psnr",), limit=limit
        )
        return runner.run(asked)

    write(0.9)
    first = run(2)
    write(0.5)
    assert run(2).computed == 0, "finished work is found without reading every checkpoint"
    refused = run(5)
    assert refused.computed == 0 and "size and date are the same; nothing was computed" in refused.problems[0]
    again = run(5)
    assert again.computed == 5 and again.problems == []
    assert again.results[0].folder != first.results[0].folder
    assert len(first.results[0].rows()) == 2
    psnr = [outcome.results[0].rows()["face0"].metrics["psnr"] for outcome in (first, again)]
    assert psnr[0] > psnr[1] + 1
