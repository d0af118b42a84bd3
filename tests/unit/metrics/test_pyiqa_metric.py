"""pyiqa's no-reference metrics, without its downloads; most of it skips where the extra `pyiqa` is not installed."""

from __future__ import annotations

import builtins
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.evaluation.metrics import Setup, find_metric, opened
from facesr_bench.evaluation.scorer import Scorer
from facesr_bench.functional import pyiqa_metric
from facesr_bench.functional.pyiqa_files import COMPARING, RECIPES
from facesr_bench.functional.pyiqa_metric import PyiqaMetric
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins.profile import get_profile
from facesr_bench.plugins.sample import Sample
from facesr_bench.weights.catalogue import evaluators, find
from facesr_bench.weights.fetching import import_file

torch: Any = pytest.importorskip("torch")


@pytest.fixture
def pyiqa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """pyiqa with an empty folder for its downloads, and an empty weights store."""
    library: Any = pytest.importorskip("pyiqa")
    from pyiqa.utils import download_util

    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(download_util, "DEFAULT_CACHE_DIR", str(tmp_path / "torch/hub/pyiqa"))
    return library


def tensor(image: Image8) -> Any:
    return torch.from_numpy(image.transpose(2, 0, 1) / np.float32(255))[None]


@pytest.mark.parametrize("name", ["piqe", "entropy"])
def test_equal_to_pyiqa_where_no_file_is_needed(pyiqa: Any, astronaut: Image8, name: str) -> None:
    metric = PyiqaMetric(name)
    theirs = pyiqa.create_metric(name, device="cpu")
    for image in (astronaut, resize(resize(astronaut, (24, 24)), (192, 192))):
        assert metric.score(image) == pytest.approx(float(theirs(tensor(image))), abs=1e-6)
    assert metric.files == ()
    assert metric.version == pyiqa.__version__


@pytest.mark.parametrize("name", ["psnr", "ssim", "vif", "gmsd", "fsim"])
def test_those_that_compare_are_given_hr(pyiqa: Any, astronaut: Image8, name: str) -> None:
    hr = resize(astronaut, (96, 96))
    sr = resize(resize(hr, (24, 24)), (96, 96))
    metric = PyiqaMetric(name)
    theirs = pyiqa.create_metric(name, device="cpu")
    assert metric.score(sr, hr) == pytest.approx(float(theirs(tensor(sr), tensor(hr))), abs=1e-6)
    assert metric.higher_is_better == (not theirs.lower_better)
    better, worse = metric.score(hr, hr), metric.score(sr, hr)
    assert better > worse if metric.higher_is_better else better < worse
    with pytest.raises(MetricError, match=f"pyiqa:{name} compares with a reference, and there is none"):
        metric.score(sr)
    with pytest.raises(MetricError, match="SR is 96x96 and HR 192x192"):
        metric.score(sr, astronaut)


def test_all_that_compare_can_be_made_without_a_file(pyiqa: Any, tmp_path: Path, astronaut: Image8) -> None:
    known = pyiqa.list_models(metric_mode="FR")
    for name in COMPARING:
        assert name in known
        assert np.isfinite(PyiqaMetric(name).score(astronaut[::-1], astronaut))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_columns_say_the_training_set_and_what_is_known_against_them(pyiqa: Any) -> None:
    del pyiqa
    setup = Setup(get_profile("sparnet"), 8)
    described = {name: find_metric(f"pyiqa:{name}", setup).describe() for name in ("clipiqa", "clipiqa+", "niqe")}
    titles = [described[name]["title"] for name in described]
    assert titles == ["CLIPIQA (CLIP, untrained)", "CLIPIQA+ (KonIQ-10k)", "NIQE"]
    assert described["niqe"]["convention"][0].startswith("caution: on restored faces it ranks against people")


def test_a_column_that_compares_has_a_reason_where_there_is_no_truth(pyiqa: Any, astronaut: Image8) -> None:
    del pyiqa
    scorer = Scorer(opened([find_metric(name, Setup(get_profile("sparnet"), 1)) for name in ("pyiqa:psnr",)]))
    record = scorer.score(astronaut, scorer.prepare(Sample("face", astronaut)))
    assert record.reasons == {"pyiqa:psnr": "pyiqa:psnr needs ground truth, which there is not"}
    record = scorer.score(astronaut[::-1], scorer.prepare(Sample("face", astronaut, astronaut)))
    assert 0 < record.metrics["pyiqa:psnr"] < 40


def test_direction_and_range_are_pyiqas(pyiqa: Any) -> None:
    del pyiqa
    piqe, entropy = PyiqaMetric("piqe"), PyiqaMetric("entropy")
    assert (piqe.higher_is_better, piqe.range) == (False, (0.0, 100.0))
    assert (entropy.higher_is_better, entropy.range) == (True, (0.0, 8.0))


@pytest.mark.parametrize(
    ("declared", "expected"), [("0, 100", (0.0, 100.0)), ("-2, 2", (-2.0, 2.0)), ("~0, ~100", None), (None, None)]
)
def test_rough_ranges_are_no_ranges(declared: str | None, expected: tuple[float, float] | None) -> None:
    assert pyiqa_metric.bounds(declared) == expected


def niqe_parameters(path: Path) -> Path:
    """Parameters of NIQE's model, made up: 36 means and their covariance."""
    from scipy.io import savemat

    rng = np.random.default_rng(3)
    spread = rng.standard_normal((36, 80))
    path.parent.mkdir(parents=True)
    savemat(path, {"mu_prisparam": rng.standard_normal((1, 36)), "cov_prisparam": spread @ spread.T / 80})
    return path


def test_the_stored_file_is_used(pyiqa: Any) -> None:
    path = niqe_parameters(find("pyiqa-niqe").path)
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    metric = PyiqaMetric("niqe")
    theirs = pyiqa.create_metric("niqe", device="cpu", pretrained_model_path=str(path))
    assert metric.score(image) == pytest.approx(float(theirs(tensor(image))), rel=1e-6)
    assert metric.files == (path,)
    assert not metric.higher_is_better
    assert metric.range is None


def test_parameters_can_be_imported(pyiqa: Any, tmp_path: Path) -> None:
    """A MATLAB file begins with text, and is none."""
    del pyiqa
    (arrival,) = import_file(niqe_parameters(tmp_path / "given/niqe_modelparameters.mat"))
    assert (arrival.entry.name, arrival.status.verdict) == ("pyiqa-niqe", "pinned")
    assert PyiqaMetric("niqe").files == (arrival.entry.path,)


@pytest.mark.parametrize("name", ["niqe", "musiq", "brisque", "topiq_nr", "paq2piq"])
def test_a_missing_checkpoint_is_named(pyiqa: Any, tmp_path: Path, name: str) -> None:
    """With the command that gets it; nothing is downloaded, nothing left behind."""
    del pyiqa
    with pytest.raises(WeightsError, match=f"needs weights `pyiqa-{name}`: facesr-bench weights fetch pyiqa-{name}$"):
        PyiqaMetric(name)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_every_checkpoint_is_in_the_catalogue_under_pyiqas_own_file_name(pyiqa: Any) -> None:
    del pyiqa
    stored = {f"pyiqa-{name}" for name, recipe in RECIPES.items() if recipe.stored}
    assert stored == {name for name in evaluators() if name.startswith("pyiqa-")}
    folder = Path(str(sys.modules["pyiqa"].__file__)).parent / "archs"
    code = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    files = [find(name).file for name in stored]
    files += [file.path.name for recipe in RECIPES.values() for file in recipe.placed if file.folder == "pyiqa"]
    assert [file for file in files if f"'{file}'" not in code] == FACEXLIB_FILES


FACEXLIB_FILES = ["detection_Resnet50_Final.pth", "parsing_parsenet.pth"] * 2


def test_recipes_are_of_metrics_that_there_are(pyiqa: Any) -> None:
    """What is left out loads a network through timm or transformers."""
    del pyiqa
    known = set(pyiqa_metric.names())
    assert set(RECIPES) <= known
    through_others = ("maniqa", "nima", "hyperiqa", "topiq_nr_swin", "topiq_iaa", "qalign", "qrealign", "compare2score")
    assert {name for name in known - set(RECIPES) if not name.startswith(through_others)} == {"fgresq"}


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
    """pyiqa itself downloads from it; here nobody does."""
    from pyiqa.archs import brisque_arch

    address, asked = server
    monkeypatch.setitem(brisque_arch.default_model_urls, "brisque_matlab", f"{address}/brisque_matlab.mat")
    with pytest.raises(WeightsError, match=r"needs \S+/torch/hub/pyiqa/brisque_matlab\.mat: put a download of https"):
        PyiqaMetric("brisque_matlab")
    assert asked == []
    with pytest.raises(Exception, match=r"(?i)mat"):  # not a .mat file, but fetched
        pyiqa.create_metric("brisque_matlab", device="cpu")
    assert asked == ["/brisque_matlab.mat"]
    assert (tmp_path / "torch/hub/pyiqa/brisque_matlab.mat").read_bytes() == b"weights"


def test_a_file_that_lies_where_pyiqa_looks_is_used(pyiqa: Any, tmp_path: Path) -> None:
    from scipy.io import savemat

    rng = np.random.default_rng(3)
    path = tmp_path / "torch/hub/pyiqa/brisque_matlab.mat"
    path.parent.mkdir(parents=True)
    savemat(path, {"sv": rng.standard_normal((5, 36)), "sv_coef": rng.standard_normal((5, 1))})
    image = rng.integers(0, 256, (64, 64, 3), np.uint8)
    metric = PyiqaMetric("brisque_matlab")
    assert metric.files == (path,)
    assert metric.score(image) == pytest.approx(
        float(pyiqa.create_metric("brisque_matlab", device="cpu")(tensor(image)))
    )


def test_a_backbone_that_its_library_would_download_again_is_refused(pyiqa: Any, tmp_path: Path) -> None:
    """CLIP replaces a file of another hash than its own."""
    del pyiqa
    path = tmp_path / "torch/hub/clip/RN50.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"another")
    with pytest.raises(
        WeightsError, match=r"pyiqa:clipiqa needs \S+/hub/clip/RN50\.pt: put a download of https\S+ there"
    ):
        PyiqaMetric("clipiqa")
    assert path.read_bytes() == b"another"


def test_a_checkpoint_without_the_backbone_is_refused(pyiqa: Any) -> None:
    """pyiqa would leave what is missing at random."""
    network: Any = pyiqa.create_metric("topiq_nr", device="cpu", pretrained=False, backbone_pretrain=False).net
    path = find("pyiqa-topiq_nr").path
    path.parent.mkdir(parents=True)
    state = network.state_dict()
    torch.save({"params": state}, path)
    metric = PyiqaMetric("topiq_nr")
    assert torch.equal(metric._metric.net.semantic_model.conv1.weight, state["semantic_model.conv1.weight"])
    (path.parents[1] / "pins.json").unlink()
    torch.save({"params": {key: state[key] for key in state if not key.startswith("semantic_model")}}, path)
    with pytest.raises(WeightsError, match=r"lacks \d+ tensors, semantic_model\.conv1\.weight first"):
        PyiqaMetric("topiq_nr")


class _Trap:
    """Writes a file when it is unpickled by anyone who lets it."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return builtins.open, (self.path, "w")


def test_code_in_a_checkpoint_is_not_run(pyiqa: Any, tmp_path: Path) -> None:
    del pyiqa
    trap, path = tmp_path / "trap", find("pyiqa-cnniqa").path
    path.parent.mkdir(parents=True)
    torch.save({"params": _Trap(str(trap))}, path)
    with pytest.raises(WeightsError, match=r"CNNIQA_koniq10k-e6f14c91\.pth: refused, .* could run code"):
        PyiqaMetric("cnniqa")
    assert not trap.exists()


def test_names_that_are_none(pyiqa: Any) -> None:
    del pyiqa
    for name, message in (
        ("musik", "did you mean 'musiq'"),
        ("topiq_fr", "pyiqa:topiq_fr compares with a reference, and needs files"),
        ("lpips-vgg", "pyiqa:lpips-vgg compares with a reference"),
        ("fid", "pyiqa:fid compares sets of pictures"),
        ("clipscore", "compares a picture with a text"),
        ("maniqa", "pyiqa:maniqa can.t be computed here: .*docs/metrics.md names"),
    ):
        with pytest.raises(MetricError, match=message):
            PyiqaMetric(name)
    for name in ("musik", "topiq_fr", "lpips-vgg", "fid", "clipscore"):
        assert name not in pyiqa_metric.names()
    assert {"niqe", "musiq", "maniqa", "clipiqa", "piqe"} <= set(pyiqa_metric.names())


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
        PyiqaMetric("piqe").score(image)


def test_chance_is_the_same_each_time(pyiqa: Any, astronaut: Image8) -> None:
    """A metric that draws at random: seeded here, and the caller's own random numbers go on undisturbed."""
    del pyiqa
    metric = PyiqaMetric("entropy")
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
        PyiqaMetric("niqe")
