"""Several processes that share each batch, and a machine with next to nothing installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from facesr_bench.training.checkpoints import read_log
from tests.training_runs import MakeTiny, command, environment, finished, tensors


@pytest.mark.parametrize(
    ("objective", "degradation", "norm"),
    [
        ("adversarial", "blind", "InstanceNorm2d"),
        ("pixel", "bicubic", "BatchNorm2d"),
    ],
)
def test_two_processes_share_each_batch(
    tiny: MakeTiny, data: Path, objective: str, degradation: str, norm: str
) -> None:
    pytest.importorskip("lightning_fabric")
    method = tiny(objective, degradation, norm)
    common = [method, "--data", str(data), "--cache", "cache", "--device", "cpu", "--steps", "20"]
    for devices in ("1", "2"):
        done = finished(command(*common, "--out", f"on{devices}", "--devices", devices))
        assert done.returncode == 0, done.stdout + done.stderr
    one, two = ([line for line in read_log(Path(f"on{n}/log.jsonl")) if "samples" in line] for n in (1, 2))
    assert read_log(Path("on2/log.jsonl"))[0]["arguments"]["devices"] == 2
    assert [line["step"] for line in one] == [line["step"] for line in two]
    assert two[-1]["l1"] < two[0]["l1"]
    if norm == "InstanceNorm2d":  # batch norm sees half of the batch in each process
        for name in one[0].keys() - {"seconds", "images_per_second", "psnr"}:
            assert two[-1][name] == pytest.approx(one[-1][name], rel=1e-2, abs=1e-4), name
        alone, shared = tensors(Path("on1/last.safetensors")), tensors(Path("on2/last.safetensors"))
        # A bias before a norm has no gradient but rounding, and Adam makes a whole step of that.
        for name, tensor in ((n, t) for n, t in alone.items() if n != "body.0.bias"):
            torch.testing.assert_close(shared[name], tensor, rtol=2e-2, atol=2e-3)


def test_a_mistake_in_several_processes_is_one_message(tiny: MakeTiny, data: Path) -> None:
    pytest.importorskip("lightning_fabric")
    arguments = [tiny(), "--data", str(data), "--out", "run", "--devices", "2", "--device", "cpu", "--steps", "40"]
    more = ["--set", "lr=1e30", "--set", "divergence=0"]
    done = finished(command(*arguments, *more))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "stopped: step" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("file", ["log.jsonl", "last.safetensors"])
def test_what_one_process_can_not_write_ends_them_all(tiny: MakeTiny, data: Path, file: str) -> None:
    """At the start, and in the middle: the others would wait for the first process for ever."""
    pytest.importorskip("lightning_fabric")
    (Path("run") / file).mkdir(parents=True)
    arguments = [tiny(), "--data", str(data), "--out", "run", "--devices", "2", "--device", "cpu", "--steps", "40"]
    words = command(*arguments)
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"run/{file}: can't be written: Is a directory" in done.stderr and "Traceback" not in done.stderr


BARE = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

HERE = {"torch", "torchgen", "functorch", "numpy", "PIL", "safetensors", "facesr_bench"}
PYDANTICS = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection", "tomli"}
TORCHS = {"sympy", "mpmath", "networkx", "markupsafe", "fsspec", "setuptools", "pkg_resources", "packaging", "triton",
          "nvidia", "cuda"}

class Bare:
    # Finds what is on a machine with torch, numpy, Pillow, safetensors and pydantic, and nothing else.
    @staticmethod
    def find_spec(name, path=None, target=None):
        top = name.partition(".")[0]
        known = top in HERE | PYDANTICS | TORCHS or top in sys.stdlib_module_names or top.startswith("_sysconfigdata")
        if path is None and not known:
            return None
        return PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [BuiltinImporter, FrozenImporter, Bare]
for name in ("pandas", "rich", "jinja2", "scipy", "cv2", "requests", "filelock", "matplotlib"):
    try:
        __import__(name)
    except ImportError:
        continue
    sys.exit(f"the machine is not bare: {name}")
from facesr_bench.cli import main
sys.exit(main(["train", *sys.argv[1:]]))
"""


def test_a_bare_machine_with_torch_numpy_pillow_safetensors_and_pydantic_can_train(tiny: MakeTiny, data: Path) -> None:
    for method, more in ((tiny(), []), (tiny("adversarial", "blind"), []), ("sparnet", ["--list-settings"])):
        arguments = [method, "--data", str(data), "--out", f"run{len(method)}", "--steps", "2", *more]
        done = finished([sys.executable, "-c", BARE, *arguments])
        assert done.returncode == 0, done.stdout + done.stderr
        assert more or "tensorboard is not installed" in done.stdout
    needs = ["sparnethd", "--data", str(data), "--out", "hd", "--steps", "1", "--set", "image_size=64"]
    shape = [part for v in ("min_feat_size=32", "max_ch=32", "res_depth=0", "batch_size=1") for part in ("--set", v)]
    done = finished([sys.executable, "-c", BARE, *needs, *shape])
    assert done.returncode == 2 and "--set vgg19=" in done.stderr and "--set perceptual=0" in done.stderr
