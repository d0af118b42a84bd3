"""pyiqa's no-reference metrics, without its downloads; most of it skips where the extra `pyiqa` is not installed."""

from __future__ import annotations

import builtins
import hashlib
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.functional import no_reference
from facesr_bench.functional.no_reference import NoReference, needs_files
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize

torch: Any = pytest.importorskip("torch")


@pytest.fixture
def pyiqa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """pyiqa with an empty folder for its downloads."""
    library: Any = pytest.importorskip("pyiqa")
    from pyiqa.utils import download_util

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(download_util, "DEFAULT_CACHE_DIR", str(tmp_path / "torch/hub/pyiqa"))
    return library


def tensor(image: Image8) -> Any:
    return torch.from_numpy(image.transpose(2, 0, 1) / np.float32(255))[None]


@pytest.mark.parametrize("name", ["piqe", "entropy"])
def test_equal_to_pyiqa_where_no_file_is_needed(pyiqa: Any, astronaut: Image8, name: str) -> None:
    metric = NoReference(name)
    theirs = pyiqa.create_metric(name, device="cpu")
    for image in (astronaut, resize(resize(astronaut, (24, 24)), (192, 192))):
        assert metric.score(image) == pytest.approx(float(theirs(tensor(image))), abs=1e-6)
    assert metric.files == ()
    assert needs_files(name) == []
    assert metric.version == pyiqa.__version__


def test_direction_and_range_are_pyiqas(pyiqa: Any) -> None:
    del pyiqa
    piqe, entropy = NoReference("piqe"), NoReference("entropy")
    assert (piqe.higher_is_better, piqe.range) == (False, (0.0, 100.0))
    assert (entropy.higher_is_better, entropy.range) == (True, (0.0, 8.0))


@pytest.mark.parametrize(
    ("declared", "expected"), [("0, 100", (0.0, 100.0)), ("-2, 2", (-2.0, 2.0)), ("~0, ~100", None), (None, None)]
)
def test_rough_ranges_are_no_ranges(declared: str | None, expected: tuple[float, float] | None) -> None:
    assert no_reference._bounds(declared) == expected


def niqe_parameters(folder: Path) -> Path:
    """Parameters of NIQE's model, made up: 36 means and their covariance."""
    from scipy.io import savemat

    rng = np.random.default_rng(3)
    spread = rng.standard_normal((36, 80))
    folder.mkdir(parents=True)
    path = folder / "niqe_modelparameters.mat"
    savemat(path, {"mu_prisparam": rng.standard_normal((1, 36)), "cov_prisparam": spread @ spread.T / 80})
    return path


def test_a_file_that_lies_where_pyiqa_looks_is_used(pyiqa: Any, tmp_path: Path) -> None:
    path = niqe_parameters(tmp_path / "torch/hub/pyiqa")
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    metric = NoReference("niqe")
    assert metric.score(image) == pytest.approx(
        float(pyiqa.create_metric("niqe", device="cpu")(tensor(image))), rel=1e-6
    )
    assert metric.files == (path,)
    assert needs_files("niqe") == [path]
    assert not metric.higher_is_better
    assert metric.range is None


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("niqe", r"pyiqa:niqe needs \S+/torch/hub/pyiqa/niqe_modelparameters\.mat: .*"),
        ("musiq", r"pyiqa:musiq needs \S+/torch/hub/pyiqa/musiq_koniq_ckpt-e95806b9\.pth: .*"),
        ("brisque", r"pyiqa:brisque needs \S+/torch/hub/pyiqa/brisque_svm_weights\.pth: .*"),
    ],
)
def test_a_missing_file_is_named(pyiqa: Any, tmp_path: Path, name: str, file: str) -> None:
    """And how it is to be had; nothing is downloaded, nothing left behind."""
    del pyiqa
    message = file + rf"create_metric\('{name}'\).*internet, or put a download of https://huggingface\.co/\S+ there"
    for make in (NoReference, needs_files):
        with pytest.raises(WeightsError, match=message):
            make(name)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A loopback server, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"weights")

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", asked
        listening.shutdown()
        thread.join()


def test_a_server_that_would_answer_is_not_asked(
    pyiqa: Any, server: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """pyiqa itself downloads from it; here nobody does, by whatever library."""
    from pyiqa.archs import niqe_arch

    address, asked = server
    monkeypatch.setitem(niqe_arch.default_model_urls, "url", f"{address}/niqe_modelparameters.mat")
    with pytest.raises(WeightsError, match=r"needs \S+niqe_modelparameters\.mat"):
        NoReference("niqe")
    assert asked == []
    with pytest.raises(Exception, match=r"(?i)mat"):  # not a .mat file, but fetched
        pyiqa.create_metric("niqe", device="cpu")
    assert asked == ["/niqe_modelparameters.mat"]
    assert (tmp_path / "torch/hub/pyiqa/niqe_modelparameters.mat").read_bytes() == b"weights"


def test_the_guard_ends_with_its_block(server: tuple[str, list[str]]) -> None:
    """It holds for its own thread alone: other work may use the network meanwhile."""
    address, asked = server
    elsewhere: list[bytes] = []

    def fetch() -> None:
        with urllib.request.urlopen(f"{address}/other") as answer:
            elsewhere.append(answer.read())

    with no_reference._offline() as watch:
        with pytest.raises(OSError, match="no download of"):
            urllib.request.urlopen(f"{address}/here")
        with pytest.raises(OSError, match="no connection"):
            socket.create_connection(("127.0.0.1", 9))
        thread = threading.Thread(target=fetch)
        thread.start()
        thread.join()
    assert elsewhere == [b"weights"]
    assert watch.wanted == [f"{address}/here"]
    with urllib.request.urlopen(f"{address}/after") as answer:
        assert answer.read() == b"weights"
    assert asked == ["/other", "/after"]


class _Trap:
    """Writes a file when it is unpickled by anyone who lets it."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return builtins.open, (self.path, "w")


def test_code_in_a_checkpoint_is_not_run(pyiqa: Any, tmp_path: Path) -> None:
    del pyiqa
    folder = tmp_path / "torch/hub/pyiqa"
    folder.mkdir(parents=True)
    trap = tmp_path / "trap"
    torch.save({"params": _Trap(str(trap))}, folder / "CNNIQA_koniq10k-e6f14c91.pth")
    with pytest.raises(WeightsError, match=r"CNNIQA_koniq10k-e6f14c91\.pth is refused"):
        NoReference("cnniqa")
    assert not trap.exists()


def test_names_that_are_none(pyiqa: Any) -> None:
    del pyiqa
    for name, message in (
        ("musik", "did you mean 'musiq'"),
        ("psnr", "pyiqa:psnr compares with a reference"),
        ("lpips-vgg", "pyiqa:lpips-vgg compares with a reference"),
        ("fid", "pyiqa:fid compares sets of pictures"),
        ("clipscore", "compares a picture with a text"),
    ):
        with pytest.raises(MetricError, match=message):
            NoReference(name)
        assert name not in no_reference.names()
    assert {"niqe", "musiq", "maniqa", "clipiqa", "piqe"} <= set(no_reference.names())


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((64, 64), np.uint8), "HxWx3"),
        (np.zeros((64, 64, 3)), "uint8"),
        (np.zeros((3, 3, 3), np.uint8), "pyiqa:piqe can't score a 3x3 picture"),
    ],
)
def test_pictures_that_have_no_score(pyiqa: Any, image: NDArray[Any], message: str) -> None:
    del pyiqa
    with pytest.raises(MetricError, match=message):
        NoReference("piqe").score(image)


def test_chance_is_the_same_each_time(pyiqa: Any, astronaut: Image8) -> None:
    """A metric that draws at random: seeded here, and the caller's own random numbers go on undisturbed."""
    del pyiqa
    metric = NoReference("entropy")
    metric._metric = lambda x: torch.rand(1) + float(np.random.rand()) + 0 * x.mean()
    np.random.seed(5)
    torch.manual_seed(5)
    expected = np.random.rand(), float(torch.rand(1))
    np.random.seed(5)
    torch.manual_seed(5)
    first, second = metric.score(astronaut), metric.score(astronaut)
    assert first == second
    assert (np.random.rand(), float(torch.rand(1))) == expected
    metric._metric = lambda x: x.mean() * torch.nan
    with pytest.raises(MetricError, match="pyiqa:entropy gave"):
        metric.score(astronaut)


def test_without_pyiqa(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(MetricError, match=r"pyiqa is not installed: pip install 'facesr-bench\[pyiqa\]'"):
        NoReference("niqe")


def test_files_of_a_hub_repository_are_all_of_its_snapshot(pyiqa: Any, tmp_path: Path) -> None:
    """timm reads safetensors by native code; what the revision points to counts."""
    del pyiqa
    repository = tmp_path / "torch/hub/models--timm--net"
    snapshot = repository / "snapshots" / hashlib.sha1(b"x", usedforsecurity=False).hexdigest()
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(b"numbers")
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(snapshot.name)
    found = no_reference._downloaded([str(repository / "refs/main"), str(tmp_path / "other.txt")])
    assert found == (snapshot / "model.safetensors",)
