"""The unit of work: one method on one protocol, done anywhere, written by one writer."""

from __future__ import annotations

import multiprocessing
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from facesr_bench.base.devices import EXACT, set_torch
from facesr_bench.evaluation import cost, inputs, request
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.executors import Executor
from facesr_bench.evaluation.job import Job, Sink
from facesr_bench.evaluation.worker import do, replay
from facesr_bench.results.samples import read_samples
from facesr_bench.results.store import Result, all_results

from .conftest import MakeMethod

NEAREST = "return functional.interpolate(lr, scale_factor=self.scale, mode='nearest')"


def asked(faces: Path, out: Path, *methods: str, **more: Any) -> request.RunRequest:
    return request.RunRequest(methods=methods, protocols=("folder-x8",), data={"folder-x8": faces}, out=out, **more)


def files(result: Result) -> dict[str, bytes]:
    """Every picture and array of a result."""
    kept = (path for path in result.folder.rglob("*") if path.suffix in {".png", ".npy"})
    return {path.relative_to(result.folder).as_posix(): path.read_bytes() for path in kept}


def rows(result: Result) -> dict[str, dict[str, Any]]:
    """All of images.jsonl but the times."""
    return {image_id: {**asdict(row), "ms": None} for image_id, row in result.rows().items()}


class Elsewhere(Executor):
    """Every job in two blocks in a fresh process, which gets nothing but the pickled job."""

    def __init__(self) -> None:
        self.done: list[Job] = []

    def run(self, jobs: Sequence[Job], sink: Sink) -> None:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            for job in jobs:
                blocks = [replace(job, todo=job.todo[start : start + 3]) for start in range(0, len(job.todo), 3)]
                for block, events in zip(blocks, pool.map(do, blocks), strict=True):
                    self.done.append(block)
                    lines = job.result / "images.jsonl"
                    written = lines.read_bytes() if lines.exists() else b""
                    assert written.count(b"\n") == sum(
                        len(earlier.todo) for earlier in self.done[:-1] if earlier.result == job.result
                    ), "somebody else than the run has written lines"
                    replay(events, block, sink)


def test_a_job_done_in_another_process_gives_the_same_bits(
    faces: Path, tmp_path: Path, make_method: MakeMethod
) -> None:
    methods = ("bicubic", make_method("mine", NEAREST), make_method("broken", "raise ValueError('no')"))
    here = runner.run(asked(faces, tmp_path / "here", *methods))
    executor = Elsewhere()
    there = runner.run(asked(faces, tmp_path / "there", *methods), executor=lambda _: executor)
    assert len(executor.done) == 6
    assert (there.computed, there.problems) == (here.computed, here.problems) == (15, here.problems)
    for one, other in zip(here.results, there.results, strict=True):
        assert rows(one) == rows(other)
        assert files(one) == files(other)
        assert one.manifest.metrics == other.manifest.metrics
        assert one.manifest.method.cost == other.manifest.method.cost
        assert read_samples(one.inputs_folder) == read_samples(other.inputs_folder)


def test_one_method_is_in_memory_at_a_time(faces: Path, tmp_path: Path, make_method: MakeMethod) -> None:
    log = tmp_path / "log"
    head = (
        "import weakref\nfrom torch.nn import functional\nfrom facesr_bench import MethodBase\n"
        f"def say(what):\n    with open({str(log)!r}, 'a') as stream:\n        stream.write(what)\n"
        "class Method(MethodBase):\n    def load(self):\n        say('+')\n        weakref.finalize(self, say, '-')\n"
        "        self.me = self\n"
        "    def upscale(self, lr):\n"
    )
    methods = [make_method(name, NEAREST, head=head) for name in ("a", "b", "c")]
    assert runner.run(asked(faces, tmp_path / "out", *methods)).problems == []
    assert log.read_text().startswith("+-+-+")


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the samples that are made of the dataset's files."""
    seen: list[str] = []
    real = inputs.Source.read

    def read(self: inputs.Source, image_id: str) -> Any:
        seen.append(image_id)
        return real(self, image_id)

    monkeypatch.setattr(inputs.Source, "read", read)
    return seen


@pytest.mark.parametrize("room", [0, inputs.KEPT_BYTES])
def test_a_picture_is_read_from_its_dataset_once(
    faces: Path, tmp_path: Path, prepared: list[str], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """By all methods of a run and of later ones; a damaged picture is not tried again in a run."""
    monkeypatch.setattr(inputs, "KEPT_BYTES", room)
    alone = runner.run(asked(faces, tmp_path / "alone", "lanczos")).results[0]
    (faces / "face5.png").write_bytes(b"damaged")
    prepared.clear()
    outcome = runner.run(asked(faces, tmp_path / "out", "bicubic", "nearest", "lanczos"))
    assert sorted(prepared) == [f"face{i}" for i in range(6)]
    assert len(outcome.problems) == 3 and all("face5" in problem for problem in outcome.problems)
    found = rows(outcome.results[2])
    assert found.pop("face5")["error"] is not None
    assert found == rows(alone)
    prepared.clear()
    later = runner.run(asked(faces, tmp_path / "out", "bilinear")).results[0]
    assert prepared == ["face5"]
    assert (later.inputs_folder / "lr" / "face0.png").is_file()


def test_a_lost_or_damaged_input_is_made_again(faces: Path, tmp_path: Path, prepared: list[str]) -> None:
    result = runner.run(asked(faces, tmp_path / "out", "bicubic")).results[0]
    (result.inputs_folder / "hr" / "face0.png").unlink()
    (result.inputs_folder / "lr" / "face1.png").write_bytes(b"damaged")
    prepared.clear()
    again = runner.run(asked(faces, tmp_path / "out", "bicubic", resume="never")).results[0]
    assert sorted(prepared) == ["face0", "face1"]
    assert rows(again) == rows(runner.run(asked(faces, tmp_path / "fresh", "bicubic")).results[0])
    prepared.clear()
    runner.run(asked(faces, tmp_path / "out", "bicubic", resume="never"))
    assert prepared == []


def test_torch_is_set_up_for_a_run_and_set_back(faces: Path, tmp_path: Path, make_method: MakeMethod) -> None:
    before = set_torch({name: not flag for name, flag in EXACT.items()})
    try:
        body = f"assert not torch.backends.cudnn.allow_tf32 and torch.backends.cudnn.deterministic\n{NEAREST}"
        assert runner.run(asked(faces, tmp_path / "out", make_method("sees", body))).problems == []
        assert torch.backends.cudnn.allow_tf32 and not torch.backends.cudnn.deterministic
    finally:
        set_torch(before)


def test_progress_names_the_method_that_runs(faces: Path, tmp_path: Path, make_method: MakeMethod) -> None:
    told: list[Any] = []

    class Listening(request.Progress):
        def start(self, protocol: str, total: int) -> None:
            told.append((protocol, total))

        def begin(self, protocol: str, method: str) -> None:
            told.append((protocol, method))

        def advance(self, method: str) -> None:
            told.append(method)

    broken = make_method("broken", NEAREST, head="import no_such_module\n")
    runner.run(asked(faces, tmp_path / "out", "bicubic", broken), Listening())
    every = [("folder-x8", "bicubic"), *["bicubic"] * 5, ("folder-x8", "broken"), *["broken"] * 5]
    assert told == [("folder-x8", 10), *every], "what can't be done counts as done: the bar gets to its end"


def test_killed_at_any_moment_nothing_is_lost(faces: Path, tmp_path: Path, make_method: MakeMethod) -> None:
    """Killed at random moments, then left alone: the bits of a run that nobody disturbed, and no image twice."""
    methods = [make_method(name, f"import time; time.sleep(0.1)\n{NEAREST}") for name in ("a", "b")]
    alone = runner.run(asked(faces, tmp_path / "alone", *methods, metrics=("psnr", "ssim")))
    command = [sys.executable, "-m", "facesr_bench", "run", "--methods", ",".join(methods), "--protocols", "folder-x8"]
    command += ["--data", f"folder-x8={faces}", "--metrics", "psnr,ssim", "--batch-size", "1", "--no-report"]
    moments = random.Random(5)
    for _ in range(2):
        process = subprocess.Popen([*command, "--out", str(tmp_path / "out")], stderr=subprocess.DEVNULL)
        folder, deadline = tmp_path / "out" / "folder-x8", time.monotonic() + 60
        size = lines_in(folder)
        while lines_in(folder) == size and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = 10 - lines_in(folder)
    assert 0 < left < 10, "killed too late or too early to show anything"
    outcome = runner.run(asked(faces, tmp_path / "out", *methods, metrics=("psnr", "ssim")))
    assert outcome.computed in (left, left + 1) and outcome.problems == []  # one line may have been torn
    for one, other in zip(alone.results, outcome.results, strict=True):
        assert rows(one) == rows(other)
        assert files(one) == files(other)
    assert len(list(all_results(tmp_path / "out"))) == 2


def lines_in(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("*/*/images.jsonl"))


def test_the_first_image_waits_for_no_other_and_for_no_count_of_operations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting takes as long as several images do, and is done once."""
    heard: list[str] = []
    count, get = cost._flops, inputs.Inputs.get

    def counted(*arguments: Any) -> int | None:
        heard.append("counted")
        return count(*arguments)

    def read(self: inputs.Inputs, image_id: str) -> inputs.Loaded:
        heard.append("read")
        return get(self, image_id)

    class Heard(request.Progress):
        def advance(self, method: str) -> None:
            heard.append("image")

    monkeypatch.setattr(cost, "_flops", counted)
    monkeypatch.setattr(inputs.Inputs, "get", read)
    wanted = request.RunRequest(("sparnet-light-3d",), out=tmp_path, limit=3, metrics=("psnr",), attention=0)
    [result] = runner.run(wanted, Heard()).results
    assert heard[:2] == ["read", "image"] and sorted(heard) == ["counted", *["image"] * 3, *["read"] * 3]
    found = result.manifest.method.cost
    assert found is not None and found.flops and found.parameters
