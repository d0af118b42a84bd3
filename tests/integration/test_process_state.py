"""What a plug-in changes of the process holds in its own calls, and changes no other's number nor where results lie."""

from __future__ import annotations

import json
import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, cast

import numpy as np
import pytest
import torch

from facesr_bench.base.process_state import World, baseline
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.evaluation.run import run
from facesr_bench.images.files import read_image
from facesr_bench.images.resize import resize
from tests.integration.conftest import MakeMethod

NEAREST = "functional.interpolate(lr, scale_factor=8, mode='nearest')"

VANDAL = """
import locale, os, random, sys, cv2, numpy, torch
from PIL import Image, ImageFile
from torch.nn import functional
from facesr_bench import MethodBase

torch.backends.mkldnn.enabled = False
os.environ["FACESR_IMPORTED"] = "1"

class Method(MethodBase):
    def load(self):
        os.chdir("/")
        torch.set_default_dtype(torch.float64)

    def upscale(self, lr):
        told = (torch.get_default_dtype() == torch.float64, not torch.backends.mkldnn.enabled, os.getcwd() == "/",
                os.environ.get("FACESR_IMPORTED") == "1", os.environ.get("FACESR_LATER", "1") == "1")
        assert all(told), told
        os.environ["FACESR_LATER"] = "1"
        os.environ.pop("PATH", None)
        torch.use_deterministic_algorithms(True)
        torch.set_num_threads(3)
        torch.set_grad_enabled(False)
        torch.set_default_device("meta")
        torch.set_flush_denormal(True)
        torch.set_float32_matmul_precision("medium")
        torch.backends.cudnn.deterministic = False
        torch.manual_seed(3)
        numpy.seterr(all="raise")
        numpy.random.seed(3)
        random.seed(3)
        cv2.setNumThreads(1)
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        Image.MAX_IMAGE_PIXELS = 5
        sys.setrecursionlimit(len(__import__("inspect").stack()) + 60)
        sys.stdout = None
        torch.set_default_device(None)
        out = functional.interpolate(lr, scale_factor=8, mode='nearest').float()
        torch.set_default_device("meta")
        return out
"""


def _state() -> dict[str, object]:
    import cv2
    from PIL import Image, ImageFile

    return {
        "folder": Path.cwd(),
        "environment": dict(os.environ),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "mkldnn": torch.backends.mkldnn.enabled,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn": (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32),
        "matmul": torch.get_float32_matmul_precision(),
        "denormals": [5e-324][0] * 1.0 == 0.0,
        "numpy": np.geterr(),
        "random": (random.getstate(), cast(Any, np.random.get_state())[1].tolist(), torch.get_rng_state().tolist()),
        "opencv": cv2.getNumThreads(),
        "pillow": (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES),
        "recursion": sys.getrecursionlimit(),
        "stdout": sys.stdout,
    }


def test_a_method_that_changes_the_process_changes_no_other_and_leaves_nothing_behind(
    tmp_path: Path, make_method: MakeMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = Path(make_method("vandal", ""))
    (spec / "method.py").write_text(VANDAL)
    monkeypatch.chdir(tmp_path)
    metrics = ["psnr", "ssim"]
    alone = run(RunRequest(["srcnn"], ["demo-x8"], out="alone", metrics=metrics, limit=2, attention=0))
    before = _state()
    both = run(RunRequest([str(spec), "srcnn"], ["demo-x8"], out="both", metrics=metrics, limit=2, attention=0))
    assert _state() == before
    assert both.problems == []
    first, second = both.results
    assert {row.id: row.metrics for row in second.rows().values()} == {
        row.id: row.metrics for row in alone.results[0].rows().values()
    }
    assert len(first.rows()) == 2 and first.folder.is_relative_to(tmp_path / "both")


def test_what_was_set_when_the_code_was_imported_holds_in_the_next_run_of_one_process_too(
    faces: Path, tmp_path: Path, make_method: MakeMethod
) -> None:
    head = "import torch\ntorch.set_default_dtype(torch.float64)\n"
    head += "from torch.nn import functional\nfrom facesr_bench import MethodBase\n"
    body = f"assert torch.get_default_dtype() == torch.float64\nreturn {NEAREST}"
    spec = make_method("doubling", body, head=head + "class Method(MethodBase):\n    def upscale(self, lr):\n")
    for out in ("first", "second"):
        report = run(RunRequest([spec], ["folder-x8"], {"folder": faces}, out=tmp_path / out, metrics=["psnr"]))
        assert report.problems == []
    assert torch.get_default_dtype() == torch.float32


def test_random_numbers_of_a_method_depend_on_nothing_computed_before(
    faces: Path, tmp_path: Path, make_method: MakeMethod
) -> None:
    noisy = make_method("noisy", f"return ({NEAREST} + 0.1 * torch.rand_like({NEAREST})).clamp(0, 1)")

    def numbers(methods: list[str], out: str, limit: int | None = None) -> dict[str, float]:
        request = RunRequest(
            methods, ["folder-x8"], {"folder": faces}, out=tmp_path / out, metrics=["psnr"], batch_size=1
        )
        report = run(request if limit is None else RunRequest(**{**request.as_data(), "limit": limit}))
        assert report.problems == []
        return {row.id: row.metrics["psnr"] for row in report.results[-1].rows().values()}

    alone = numbers([noisy], "alone")
    assert len(set(alone.values())) == 5
    assert numbers(["bicubic", noisy], "after") == alone
    numbers([noisy], "resumed", limit=2)
    assert numbers([noisy], "resumed") == alone


RAISED = {
    "GeneratorExit": "raise GeneratorExit('enough')",
    "Own": "class Own(BaseException): pass\nraise Own('mine')",
    "Mute": "class Mute(Exception):\n    def __str__(self): raise GeneratorExit\nraise Mute",
    "RecursionError": "import sys, inspect\nsys.setrecursionlimit(len(inspect.stack()) + 20)\n"
    "def deeper(): return deeper() + 1\nreturn deeper()",
}


@pytest.mark.parametrize("kind", RAISED)
def test_whatever_a_method_raises_costs_its_image_alone(
    faces: Path, tmp_path: Path, make_method: MakeMethod, kind: str
) -> None:
    body = "if float((lr.mean(dim=(1, 2, 3)) - MEAN).abs().min()) < 1e-5:\n" + "\n".join(
        f"    {line}" for line in RAISED[kind].splitlines()
    )
    mean = float((resize(read_image(faces / "face2.png"), (8, 8)).astype(np.float32) / 255).mean())
    spec = make_method("raising", f"{body.replace('MEAN', repr(mean))}\nreturn {NEAREST}")
    request = RunRequest([spec, "bicubic"], ["folder-x8"], {"folder": faces}, out=tmp_path / "out", metrics=["psnr"])
    report = run(request)
    assert [kind in problem and "face2" in problem for problem in report.problems] == [True], report.problems
    assert sum(row.error is None for row in report.results[0].rows().values()) == 4
    assert len(report.results[1].rows()) == 5


def test_what_a_metric_or_dataset_changes_is_put_back_too(faces: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rude"
    folder.mkdir()
    (folder / "card.toml").write_text(
        'schema_version = 1\nkind = "metric"\nname = "rude"\ntitle = "Rude"\nsummary = "Changes what it sees."\n'
        'version = 1\nhigher_is_better = true\nrange = [0.0, 1.0]\nneeds = ["reference"]\n'
    )
    (folder / "metric.py").write_text(
        "import os, torch\nfrom facesr_bench import MetricBase\n\nclass Metric(MetricBase):\n"
        "    def per_image(self, sr, reference):\n"
        "        print('never on standard output')\n"
        "        torch.set_default_dtype(torch.float64); os.chdir('/')\n        return 0.5\n"
    )
    before = _state()
    report = run(
        RunRequest(["bicubic"], ["folder-x8"], {"folder": faces}, out=tmp_path / "out", metrics=[str(folder), "psnr"])
    )
    assert report.problems == [] and _state() == before
    assert all("rude" in json.dumps(row.metrics) for row in report.results[0].rows().values())


def test_a_precision_set_in_two_ways_which_torch_then_refuses_to_name_is_put_back() -> None:
    mkldnn: Any = torch.backends.mkldnn
    with baseline():
        before = torch.backends.cuda.matmul.allow_tf32
        with World():
            torch.backends.cuda.matmul.fp32_precision = "tf32"
            mkldnn.matmul.fp32_precision = "bf16"
        assert torch.backends.cuda.matmul.allow_tf32 == before
        assert mkldnn.matmul.fp32_precision != "bf16"


def test_works_of_two_threads_begin_and_end_in_any_order() -> None:
    """The first that ends leaves what the other still needs; the last puts all back."""
    both, first_is_over = Barrier(2), Barrier(2)
    before = torch.get_default_dtype()

    def first() -> None:
        with baseline():
            both.wait(20)
        first_is_over.wait(20)

    def second() -> torch.dtype:
        with baseline():
            both.wait(20)
            first_is_over.wait(20)
            with World():
                torch.set_default_dtype(torch.float64)
            within = torch.get_default_dtype()
            torch.set_default_dtype(torch.float64)
        return within

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.submit(first), pool.submit(second)
        one.result(30)
        assert other.result(30) == before
    assert torch.get_default_dtype() == before
