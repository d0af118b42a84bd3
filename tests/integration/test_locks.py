"""Two runs in one folder: one works on a result, the other waits, says for whom, and finds it done."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from facesr_bench.base.errors import ResultsError
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import Progress, RunOutcome, RunRequest
from facesr_bench.results.locks import ResultLock, remove_partials
from facesr_bench.results.samples import read_samples


def request(faces: Path, out: Path, *methods: str) -> RunRequest:
    return RunRequest(methods, ("folder-x8",), {"folder-x8": faces}, out=out, metrics=("psnr",))


class Told(Progress):
    """Keeps who was waited for, and lets a test go on then."""

    def __init__(self) -> None:
        self.holders: list[str] = []
        self.waiting = threading.Event()

    def wait(self, protocol: str, method: str, holder: str) -> None:
        self.holders.append(f"{protocol}, {method}: {holder}")
        self.waiting.set()


def test_a_second_run_waits_for_the_first_and_says_for_whom(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (result,) = runner.run(request(faces, out, "bicubic")).results
    lock = ResultLock(out, result.folder)
    assert lock.take(wait=False)
    told, ended = Told(), []
    second = threading.Thread(target=lambda: ended.append(runner.run(request(faces, out, "bicubic", "nearest"), told)))
    second.start()
    try:
        assert told.waiting.wait(60)
        (said,) = told.holders
        assert said.startswith("folder-x8, bicubic: process ") and ", since 2" in said
        assert not ended
    finally:
        lock.release()
    second.join(60)
    (outcome,) = ended
    assert isinstance(outcome, RunOutcome) and outcome.problems == []
    assert [found.label for found in outcome.results] == ["bicubic", "nearest"], "in the order asked for"
    assert outcome.computed == 5, "of the other method, which was done meanwhile"


def test_what_a_killed_run_left_half_written_is_removed_and_what_a_living_one_writes_is_not(
    faces: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    bicubic, nearest = runner.run(request(faces, out, "bicubic", "nearest")).results
    own = bicubic.folder / "sr/face0.png.1-1.partial"
    foreign = nearest.folder / "sr/face0.png.2-2.partial"
    shared = bicubic.inputs_folder / "lr/face0.png.2-2.partial"
    for path in (own, foreign, shared):
        path.write_bytes(b"half")
    lock = ResultLock(out, nearest.folder)
    assert lock.take(wait=False)
    assert remove_partials(out / "folder-x8", [bicubic.folder]) == 1
    assert not own.exists() and foreign.exists() and shared.exists(), "another run may be writing them"
    lock.release()
    runner.run(request(faces, out, "bicubic", "nearest"))
    assert not list(out.rglob("*.partial")) and not list(out.rglob("*.lock.json"))


def test_a_lock_that_is_a_link_is_refused(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (result,) = runner.run(request(faces, out, "bicubic")).results
    victim = tmp_path / "victim"
    victim.write_text("mine")
    lock = result.folder.with_name(f".{result.folder.name}.lock")
    lock.unlink(missing_ok=True)
    lock.symlink_to(victim)
    with pytest.raises(ResultsError, match="a link; nothing is written"):
        runner.run(request(faces, out, "bicubic"))
    assert victim.read_text() == "mine"


def test_lines_of_samples_that_were_lost_are_written_again(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (result,) = runner.run(request(faces, out, "bicubic")).results
    before = read_samples(result.inputs_folder)
    path = result.inputs_folder / "samples.jsonl"
    path.write_text("".join(f"{line}\n" for line in path.read_text().splitlines()[:2]) + '{"id": "fa')
    assert len(read_samples(result.inputs_folder)) == 2
    again = runner.run(request(faces, out, "bicubic"))
    assert again.computed == 3 and again.problems == []
    assert read_samples(result.inputs_folder) == before
    assert runner.run(request(faces, out, "bicubic")).computed == 0


def test_the_device_is_on_record_before_the_first_image(faces: Path, tmp_path: Path) -> None:
    (result,) = runner.run(request(faces, tmp_path / "out", "bicubic")).results
    seen: list[str] = []

    class Looks(Progress):
        def begin(self, protocol: str, method: str) -> None:
            (path,) = (tmp_path / "two").glob("*/bicubic/*/manifest.json")
            seen.append(json.loads(path.read_text())["environment"]["device"])

    runner.run(request(faces, tmp_path / "two", "bicubic"), Looks())
    assert seen == ["cpu"] == [result.manifest.environment.device]
