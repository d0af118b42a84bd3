"""`run --executor ray`: the numbers of one process, from workers that may die, on machines that share no files."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.evaluation import request
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.executors import ray as executor
from facesr_bench.evaluation.executors.by_value import unpack
from facesr_bench.evaluation.executors.ray_worker import BY_VALUE

from .conftest import MakeMethod
from .test_jobs import NEAREST, asked
from .test_processes import dies, same, twelve

ray: Any = pytest.importorskip("ray")
__all__ = ["twelve"]  # a fixture


@pytest.fixture(scope="module", autouse=True)
def ended() -> Iterator[None]:
    """Behind the last test no Ray is left."""
    yield
    ray.shutdown()


@pytest.fixture
def here() -> None:
    """Ray on this machine, with room for two workers, once for all tests that want it; a run that finds it uses it."""
    try:
        if not ray.is_initialized():
            executor.start(2)
    except FaceSRBenchError as error:  # a machine that has no 30 s for Ray's own processes, in three tries
        pytest.skip(str(error))


@pytest.fixture
def nowhere() -> None:
    """No Ray that this process knows."""
    ray.shutdown()


@pytest.fixture
def cluster(nowhere: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster on this machine, of a head with one core; see `node` for more."""
    from ray.cluster_utils import Cluster

    for name, value in executor._SETTINGS.items():
        monkeypatch.setenv(name, value)
    made: Any = Cluster()
    try:
        node(made, include_dashboard=False)
        yield made
    finally:
        made.shutdown()


def node(cluster: Any, **more: Any) -> Any:
    """One more machine of a cluster, with one core."""
    return cluster.add_node(num_cpus=1, object_store_memory=executor._STORE, **more)


@pytest.fixture(params=[True, False], ids=["by path", "by value"])
def shared_files(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers see the run's files, or don't."""

    @contextmanager
    def unseen(out: Path) -> Iterator[tuple[Path, str]]:
        yield out / "no such file", "token"

    if not request.param:
        monkeypatch.setattr(executor, "_probe", unseen)


def test_workers_of_ray_give_the_bits_of_threads(
    here: None, shared_files: None, twelve: Path, tmp_path: Path, make_method: MakeMethod
) -> None:
    (twelve / "face07.png").write_bytes(b"damaged")
    broken = make_method("broken", NEAREST, head="import no_such_module\n")
    methods = ("bicubic", broken, make_method("fails", "raise ValueError('no')"), make_method("mine", NEAREST))
    alone = runner.run(asked(twelve, tmp_path / "alone", *methods))
    there = runner.run(asked(twelve, tmp_path / "there", *methods, executor="ray"))
    same(alone, there)
    assert there.results[0].manifest.environment.threads == 1
    assert there.results[0].manifest.request is not None
    assert there.results[0].manifest.request.options["executor"] == "ray"
    assert not list((tmp_path / "there").glob(".*shared*")), "the probe is removed"
    assert ray.is_initialized(), "it was not the run's"
    more = {"metrics": ("psnr", "ssim", "lr-psnr")}
    alone = runner.run(asked(twelve, tmp_path / "alone", *methods, **more))
    there = runner.run(asked(twelve, tmp_path / "there", *methods, executor="ray", **more))
    assert there.computed == 36, "its pictures were there: they were only scored"
    same(alone, there)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs signals")
@pytest.mark.parametrize(
    "shared_files", [True, pytest.param(False, marks=pytest.mark.full)], indirect=True, ids=["by path", "by value"]
)
def test_the_block_of_a_worker_that_dies_is_done_again(
    here: None, shared_files: None, twelve: Path, tmp_path: Path, make_method: MakeMethod
) -> None:
    seen = tmp_path / "seen"
    method = dies(make_method, "once", "not seen.exists()", seen)
    more: dict[str, Any] = {"batch_size": 1, "attention": 0, "metrics": ("psnr",)}
    outcome = runner.run(asked(twelve, tmp_path / "out", method, executor="ray", **more))
    alone = runner.run(asked(twelve, tmp_path / "alone", method, **more))
    assert seen.read_text() == "x" and outcome.problems == []
    same(alone, outcome)


@pytest.mark.full
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs signals")
def test_a_block_whose_workers_die_three_times_has_failed(
    here: None, twelve: Path, tmp_path: Path, make_method: MakeMethod
) -> None:
    seen = tmp_path / "seen"
    method = dies(make_method, "always", "True", seen)
    outcome = runner.run(asked(twelve, tmp_path / "out", method, executor="ray", batch_size=1, attention=0))
    found = outcome.results[0].rows()
    failed = {image_id: row.error for image_id, row in found.items() if row.error}
    assert seen.read_text() == "xxx", "twice again, and no more"
    assert set(failed) == {"face04", "face05", "face06", "face07"}, "the rest of its block"
    assert "was lost (ActorDiedError" in str(failed["face04"]) and ", 3 times" in str(failed["face04"])
    assert len(found) == 12 and len(outcome.problems) == 4 and outcome.computed == 12


class Told(request.Progress):
    """Counts images, and says when there are enough."""

    def __init__(self, enough: int) -> None:
        self.images, self.enough, self.reached = 0, enough, threading.Event()

    def advance(self, method: str) -> None:
        self.images += 1
        if self.images >= self.enough:
            self.reached.set()


@pytest.mark.full
def test_a_cluster_of_three_nodes_of_which_one_shares_no_files_and_one_is_lost(
    cluster: Any, tmp_path: Path, make_method: MakeMethod, astronaut: NDArray[np.uint8]
) -> None:
    """Three raylets on this machine: numbers as alone, with a node that goes in the middle of it."""
    from PIL import Image

    faces = tmp_path / "sixty"
    faces.mkdir()
    for i in range(60):
        left, top = (7 * i) % 64, (11 * i) % 64
        Image.fromarray(astronaut[top : top + 128, left : left + 128]).save(faces / f"{i:02}.png")
    slow = make_method("slow", f"import time\ntime.sleep(0.4)\n{NEAREST}")
    methods = ("bicubic", slow)
    more: dict[str, Any] = {"metrics": ("psnr", "ssim"), "batch_size": 1, "attention": 3}
    node(cluster, env_vars={BY_VALUE: "1"})
    lost = node(cluster)
    cluster.wait_for_nodes()
    told = Told(40)

    def lose() -> None:
        told.reached.wait(500)
        cluster.remove_node(lost, allow_graceful=False)

    threading.Thread(target=lose, daemon=True).start()
    begun = time.monotonic()
    asking = asked(faces, tmp_path / "there", *methods, executor="ray", workers=3, address=cluster.address, **more)
    there = runner.run(asking, told)
    print(f"three nodes, one lost: {time.monotonic() - begun:.0f} s")
    assert told.images == 120 and told.reached.is_set()
    assert not ray.is_initialized(), "the run has left the cluster"
    same(runner.run(asked(faces, tmp_path / "alone", *methods, **more)), there)
    assert there.results[0].manifest.request is not None
    assert "address" not in there.results[0].manifest.request.options, "a place of one's own"


@pytest.mark.full
def test_ray_is_started_for_a_run_and_ended_with_it(nowhere: None, twelve: Path, tmp_path: Path) -> None:
    there = runner.run(asked(twelve, tmp_path / "there", "bicubic", executor="ray"))
    assert not ray.is_initialized()
    same(runner.run(asked(twelve, tmp_path / "alone", "bicubic")), there)


def test_what_is_wrong_is_said(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FaceSRBenchError, match="--address auto is that of a Ray cluster: give --executor ray, too"):
        runner.run(asked(faces, tmp_path / "out", "bicubic", address="auto"))
    monkeypatch.setattr(request, "find_spec", lambda name: None)
    with pytest.raises(FaceSRBenchError, match=r"--executor ray needs ray: pip install 'facesr-bench\[ray\]'"):
        runner.run(asked(faces, tmp_path / "out", "bicubic", executor="ray"))


def test_files_of_a_worker_stay_in_the_results_folder(tmp_path: Path) -> None:
    unpack(tmp_path / "out", {"a/b.png": b"1"})
    assert (tmp_path / "out/a/b.png").read_bytes() == b"1"
    with pytest.raises(FaceSRBenchError, match="does not name something inside"):
        unpack(tmp_path / "out", {"../b.png": b"1"})
