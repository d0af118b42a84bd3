"""Training as a user meets it: begun, stopped, killed, resumed, shared among processes, gone wrong, and used."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from facesr_bench.cli import main
from facesr_bench.training.checkpoints import read_log, read_state

ROOT = Path(__file__).resolve().parents[2]

CARD = """
schema_version = 1
kind = "method"
name = "tiny"
title = "Tiny"
summary = "A network small enough to be trained in a test."
input = "bicubic"
scales = [8]
output_size = 32
licence = "Apache-2.0"

[options]
channels = 4
"""

RECIPE = """
schema_version = 1
network = "network:Tiny"
config = "network:TinyConfig"
degradation = "{degradation}"
objective = "{objective}"
epochs = 2

[settings]
image_size = 32
batch_size = 4
lr = 2e-3
ema = 0.9
validate_every = 10
save_every = 5
log_every = 5
{more}
"""

NETWORK = """
from dataclasses import dataclass
from torch import nn
from torch.nn.utils import spectral_norm

@dataclass(frozen=True)
class TinyConfig:
    channels: int = 4
    in_size: int = 32
    out_size: int = 32

class Tiny(nn.Module):
    def __init__(self, config):
        super().__init__()
        conv = lambda i, o: nn.Conv2d(i, o, 3, padding=1, padding_mode="reflect")
        self.body = nn.Sequential(conv(3, config.channels), nn.{norm}(config.channels), nn.ReLU())
        self.last = spectral_norm(conv(config.channels, 3))

    def forward(self, x):
        return x + self.last(self.body(x))
"""

METHOD = """
import torch
from facesr_bench.method import MethodBase
from facesr_bench.weights import load_strictly
from .network import Tiny, TinyConfig

class Method(MethodBase):
    def load(self, *, weights, device, precision, scale):
        super().load(weights=weights, device=device, precision=precision, scale=scale)
        self.network = Tiny(TinyConfig())
        load_strictly(self.network, weights, "tiny")
        self.network.eval()

    @torch.inference_mode()
    def upscale(self, lr):
        return ((self.network(lr * 2 - 1) + 1) / 2).clamp(0, 1)
"""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in the processes that tests start: sums are the same, bit for bit, for one number of threads only."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def somewhere_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def data(pictures: Path) -> Path:
    return pictures


MakeTiny = Callable[..., str]


@pytest.fixture
def tiny(tmp_path: Path) -> MakeTiny:
    """Writes a method's folder that can be trained in seconds; gives its path."""

    def make(objective: str = "pixel", degradation: str = "bicubic", norm: str = "BatchNorm2d") -> str:
        folder = tmp_path / "methods" / f"tiny_{objective}_{degradation}_{norm}"
        (folder / "training").mkdir(parents=True)
        more = "perceptual = 0\nd_layers = 2\nd_channels = 4" if objective == "adversarial" else ""
        recipe = RECIPE.format(objective=objective, degradation=degradation, more=more)
        (folder / "training" / "recipe.toml").write_text(recipe)
        (folder / "card.toml").write_text(CARD)
        (folder / "network.py").write_text(NETWORK.format(norm=norm))
        (folder / "method.py").write_text(METHOD)
        return str(folder)

    return make


def tensors(path: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(path)
    return found


def assert_same_training(a: Path, b: Path) -> None:
    """The same weights, optimisers, averages and losses, bit for bit."""
    for name in ("last.safetensors", "best.safetensors"):
        one, other = tensors(a / name), tensors(b / name)
        assert one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one), name
    one, other = ({k: v for k, v in read_state(f / "last.pt").items() if k != "seconds"} for f in (a, b))
    assert _plain(one) == _plain(other)
    timeless = [
        [
            {k: v for k, v in line.items() if k not in {"seconds", "images_per_second"}}
            for line in read_log(f / "log.jsonl")
        ]
        for f in (a, b)
    ]
    ours, theirs = ([line for line in lines if "arguments" not in line] for lines in timeless)
    assert ours == theirs


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.numpy().tobytes()
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "facesr_bench.training", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finished(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, env=environment(), capture_output=True, text=True, check=False)


def wait_for(process: subprocess.Popen[str], beginning: str) -> str:
    """Read the process' lines until one begins so."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith(beginning):
            return line
    raise AssertionError("".join(seen))


def test_a_training_from_start_to_use(tiny: MakeTiny, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    method = tiny()
    assert main(["train", method, "--data", str(data), "--out", "run", "--steps", "40"]) == 0
    out = capsys.readouterr().out
    assert "from step 0 to step 40, batch 4" in out and "22 faces, 2 held out" in out
    assert "step 40/40  l1 " in out and "images/s  PSNR" in out and "(best" in out and "ETA" in out
    lines = read_log(Path("run/log.jsonl"))
    assert lines[0]["settings"]["batch_size"] == 4 and lines[0]["environment"]["packages"]["torch"]
    steps = [line for line in lines if "l1" in line]
    assert [line["step"] for line in steps] == list(range(5, 41, 5))
    assert steps[-1]["samples"] == 160 and steps[-1]["l1"] < steps[0]["l1"]
    assert [line["psnr"] is not None for line in steps] == [False, True] * 4
    best = max(line["psnr"] for line in steps if line["psnr"] is not None)
    with safe_open(Path("run/best.safetensors"), "pt") as file:
        metadata = file.metadata()
    assert float(metadata["validation_psnr"]) == best
    assert metadata["method"] == "tiny" and metadata["losses"] == "l1" and metadata["samples"].isdigit()
    assert list(Path("run/tensorboard").glob("events*"))
    assert not list(Path("run").glob("*.partial"))

    specs = f"{method}@run/best.safetensors,{method}@run/last.safetensors,bicubic"
    folder = Path("faces")
    folder.mkdir()
    for path in sorted(data.iterdir())[:3]:
        Image.open(path).resize((32, 32)).save(folder / path.name)
    assert main(["run", "--methods", specs, "--protocols", "folder-x8", "--data", "folder=faces", "--no-report"]) == 0
    assert "computed 9 image(s)" in capsys.readouterr().err


def test_the_real_network_trains_and_its_checkpoint_runs(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--steps", "1", "--set", "batch_size=1", "--set", "validation=1"]
    assert main(["train", "sparnet-light-3d", "--data", str(data), "--out", "run", *options]) == 0
    methods = "sparnet-light-3d@run/best.safetensors"
    assert main(["run", "--methods", methods, "--limit", "1", "--no-report"]) == 0
    assert "computed 1 image(s)" in capsys.readouterr().err
    export = ["weights", "export", "run/best.safetensors", "--out", "light.safetensors", "--licence", "CC0"]
    assert main(export) == 0
    assert main(["run", "--methods", "sparnet-light-3d@light.safetensors", "--limit", "1", "--no-report"]) == 0


@pytest.mark.parametrize(("objective", "degradation"), [("pixel", "bicubic"), ("adversarial", "blind")])
def test_resumed_is_uninterrupted_bit_for_bit(tiny: MakeTiny, data: Path, objective: str, degradation: str) -> None:
    method = tiny(objective, degradation)
    common = ["train", method, "--data", str(data), "--seed", "3", "--set", "log_every=4"]
    assert main([*common, "--out", "whole", "--steps", "20"]) == 0
    # Stopped between two lines of the log and between two validations; the steps in all are said but once.
    assert main([*common, "--out", "parts", "--steps", "20", "--minutes", "0.000001"]) == 0
    assert read_state(Path("parts/last.pt"))["step"] == 1
    assert main(["train", method, "--data", str(data), "--out", "parts", "--resume"]) == 0
    whole = read_state(Path("whole/last.pt"))
    assert whole["step"] == 20
    one, other = (_plain(read_state(Path(f) / "last.pt")) for f in ("whole", "parts"))
    for key in ("network", "average", "optimizer", "along", "along_optimizers", "rng"):
        assert one[key] == other[key], key


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("sparnet", ["--set", "scale=8"]),
        ("sparnethd", ["--set", "perceptual=0", "--set", "d_channels=8", "--set", "discriminators=2"]),
    ],
)
def test_the_real_networks_resume_bit_for_bit(data: Path, method: str, more: list[str]) -> None:
    shape = ["image_size=64", "min_feat_size=32", "min_ch=4", "max_ch=8", "res_depth=0", "batch_size=2"]
    often = ["save_every=2", "log_every=1", "validate_every=2", "ema=0.9", "schedule=cosine", "warmup=2"]
    settings = [part for value in (*shape, *often) for part in ("--set", value)]
    common = ["train", method, "--data", str(data), "--cache", "cache", *settings, *more]
    assert main([*common, "--out", "whole", "--steps", "4"]) == 0
    process = start(*common[1:], "--out", "parts", "--steps", "4")
    wait_for(process, "step 2/4")
    while not Path("parts/last.pt").exists():
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert main(["train", method, "--data", str(data), "--cache", "cache", "--out", "parts", "--resume"]) == 0
    assert_same_training(Path("whole"), Path("parts"))


def test_killed_at_any_moment_it_loses_at_most_the_last_interval(tiny: MakeTiny, data: Path) -> None:
    method = tiny()
    common = [method, "--data", str(data), "--cache", "cache", "--set", "save_every=5", "--set", "log_every=1"]
    assert main(["train", *common, "--out", "whole", "--steps", "200"]) == 0
    arguments = [*common, "--out", "run", "--steps", "200"]
    reached = 0
    for until in (23, 61):
        process = start(*arguments, *(["--resume"] if reached else []))
        wait_for(process, f"step {until}/200")
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        state = read_state(Path("run/last.pt"))
        assert state["step"] >= until - 5 and state["step"] > reached
        for name in ("last.safetensors", "best.safetensors"):
            assert tensors(Path("run") / name)
        reached = state["step"]
    assert main(["train", *arguments, "--resume"]) == 0
    assert_same_training(Path("whole"), Path("run"))


def test_ctrl_c_saves_and_says_how_to_go_on(tiny: MakeTiny, data: Path) -> None:
    method = tiny()
    arguments = [method, "--data", str(data), "--out", "run", "--steps", "100000", "--set", "save_every=100000"]
    process = start(*arguments)
    wait_for(process, "step 10/")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    told = out.strip().splitlines()[-1].split()
    assert told[-1] == "--resume" and "everything is saved" in out
    step = read_state(Path("run/last.pt"))["step"]
    assert step >= 10 and f"stopped at step {step:,}" in out
    resumed = finished([sys.executable, *told[1:], "--steps", str(step + 1)])
    assert resumed.returncode == 0, resumed.stderr
    assert read_state(Path("run/last.pt"))["step"] == step + 1


def test_a_loss_that_is_not_finite_stops_it(tiny: MakeTiny, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["train", tiny(), "--data", str(data), "--out", "run"]
    assert main([*common, "--steps", "10"]) == 0
    good = tensors(Path("run/last.safetensors"))
    assert main([*common, "--resume", "--steps", "50", "--set", "lr=1e30", "--set", "divergence=0"]) == 1
    error = capsys.readouterr().err
    assert "is nan" in error or "is inf" in error or "not finite" in error
    assert "last good checkpoint is run/last.pt (step 10)" in error and "--resume" in error
    assert read_state(Path("run/last.pt"))["step"] == 10
    assert all(torch.equal(good[k], v) for k, v in tensors(Path("run/last.safetensors")).items())
    assert main([*common, "--resume", "--steps", "12", "--set", "lr=1e-4"]) == 0


def test_a_loss_that_runs_away_stops_it(tiny: MakeTiny, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["train", tiny(), "--data", str(data), "--out", "run"]
    assert main([*common, "--steps", "10"]) == 0
    assert main([*common, "--resume", "--steps", "100", "--set", "lr=100"]) == 1
    assert "has diverged" in capsys.readouterr().err
    assert all(math.isfinite(line["l1"]) for line in read_log(Path("run/log.jsonl")) if "l1" in line)


def test_the_state_of_the_first_training_script_is_resumed(tiny: MakeTiny, data: Path) -> None:
    """Its last.pt held five things; a training goes on from them as from the whole."""
    method = tiny()
    common = ["train", method, "--data", str(data), "--cache", "cache", "--set", "schedule=linear"]
    assert main([*common, "--out", "whole", "--steps", "12", "--set", "save_every=6"]) == 0
    assert main([*common, "--out", "old", "--steps", "6"]) == 0
    assert main([*common, "--out", "new", "--steps", "12", "--minutes", "0.000001"]) == 0
    state = read_state(Path("new/last.pt"))
    five = {key: state[key] for key in ("network", "average", "optimizer", "step", "seconds")}
    torch.save(five, "new/last.pt")
    assert main([*common, "--out", "new", "--resume", "--steps", "12", "--set", "save_every=6"]) == 0
    one, other = tensors(Path("whole/last.safetensors")), tensors(Path("new/last.safetensors"))
    assert all(torch.equal(one[k], other[k]) for k in one)
    # Nothing left to do: its weights are written with their history, for `weights export`.
    torch.save({**five, "step": 12}, "new/last.pt")
    Path("new/last.safetensors").unlink()
    assert main([*common, "--out", "new", "--resume", "--steps", "12"]) == 0
    with safe_open(Path("new/last.safetensors"), "pt") as file:
        assert file.metadata()["steps"] == "12"


def test_a_training_starts_from_given_weights(tiny: MakeTiny, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["train", tiny(), "--data", str(data)]
    assert main([*common, "--out", "first", "--steps", "10"]) == 0
    options = ["--init", "first/last.safetensors", "--steps", "1", "--set", "lr=1e-9", "--set", "ema=0"]
    assert main([*common, "--out", "second", *options]) == 0
    one, other = tensors(Path("first/last.safetensors")), tensors(Path("second/last.safetensors"))
    torch.testing.assert_close(other["last.weight_orig"], one["last.weight_orig"], atol=1e-6, rtol=0)
    save_file({"a": torch.zeros(1)}, "other.safetensors")
    assert main([*common, "--out", "third", "--init", "other.safetensors"]) == 2
    assert "weights of another network" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "batch_sizes=2"], "did you mean 'batch_size'"),
        (["--resume"], "nothing to resume"),
        (["--steps", "0"], "--steps 0: must be more than 0"),
        (["--set", "batch_size=23"], "more than the 22 faces"),
        (["--minutes", "1", "--set", "schedule=cosine"], "give --steps or --epochs beside --minutes"),
        (["--device", "gpu"], "--device gpu: must be auto, cpu"),
        (["--device", "cuda:99"], "CUDA device(s) here"),
        (["--devices", "3"], "can't be shared by 3 devices"),
        (["--seed", "-1"], "--seed -1"),
        (["--set", "image_size=8", "--set", "scale=8", "--init", "nowhere.safetensors"], "no such file"),
    ],
)
def test_misuse_exits_2_with_a_message_that_helps(
    tiny: MakeTiny, data: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["train", tiny(), "--data", str(data), "--out", "run", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_a_size_that_the_network_can_not_take_is_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--steps", "1", "--set", "image_size=16", "--set", "batch_size=1"]
    assert main(["train", "sparnet-light-3d", "--data", str(data), "--out", "run", *options]) == 2
    assert "can't be trained with image_size=16" in capsys.readouterr().err


def test_another_training_is_never_mixed_in(tiny: MakeTiny, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    method = tiny()
    common = ["train", method, "--data", str(data), "--out", "run"]
    assert main([*common, "--steps", "2"]) == 0

    def refused(*arguments: str) -> str:
        assert main(list(arguments)) == 2
        return capsys.readouterr().err

    assert "holds a training already" in refused(*common, "--steps", "4")
    assert "begun with seed 0" in refused(*common, "--resume", "--seed", "1")
    assert "begun with channels=4" in refused(*common, "--resume", "--set", "channels=8")
    assert "not of sparnet" in refused("train", "sparnet", "--data", str(data), "--out", "run", "--resume")
    assert "give one of them" in refused(*common, "--resume", "--init", "run/last.safetensors")
    (data / "face00.png").rename(data / "another.png")
    assert "not the pictures" in refused(*common, "--resume")
    Path("run/last.pt").write_bytes(b"torn")
    assert "damaged" in refused(*common, "--resume")


def test_list_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "sparnethd", "--list-settings", "--set", "batch_size=3"]) == 0
    out = capsys.readouterr().out
    assert "batch_size=3" in out and "feature_matching=10" in out and "constant, linear, cosine" in out


def test_half_precision_and_charbonnier(tiny: MakeTiny, data: Path) -> None:
    options = ["--steps", "20", "--precision", "bf16", "--set", "loss=charbonnier"]
    assert main(["train", tiny(), "--data", str(data), "--out", "run", *options]) == 0
    losses = [line["charbonnier"] for line in read_log(Path("run/log.jsonl")) if "charbonnier" in line]
    assert losses[-1] < losses[0]
    assert all(
        t.dtype is torch.float32 for t in tensors(Path("run/last.safetensors")).values() if t.is_floating_point()
    )


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


BARE = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

HERE = {"torch", "torchgen", "functorch", "numpy", "PIL", "safetensors", "facesr_bench"}
TORCHS = {"filelock", "typing_extensions", "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "fsspec",
          "setuptools", "pkg_resources", "packaging", "triton", "nvidia", "cuda"}

class Bare:
    # Finds what is on a machine with torch, numpy, Pillow and safetensors, and nothing else.
    @staticmethod
    def find_spec(name, path=None, target=None):
        top = name.partition(".")[0]
        known = top in HERE | TORCHS or top in sys.stdlib_module_names or top.startswith("_sysconfigdata")
        if path is None and not known:
            return None
        return PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [BuiltinImporter, FrozenImporter, Bare]
try:
    import pydantic
except ImportError:
    pass
else:
    sys.exit("the machine is not bare")
from facesr_bench.training.__main__ import main
sys.exit(main())
"""


def test_a_bare_machine_with_torch_numpy_pillow_and_safetensors_can_train(tiny: MakeTiny, data: Path) -> None:
    for method, more in ((tiny(), []), (tiny("adversarial", "blind"), []), ("sparnet", ["--list-settings"])):
        arguments = [method, "--data", str(data), "--out", f"run{len(method)}", "--steps", "6", *more]
        done = finished([sys.executable, "-c", BARE, *arguments])
        assert done.returncode == 0, done.stdout + done.stderr
        assert more or "tensorboard is not installed" in done.stdout
    needs = ["sparnethd", "--data", str(data), "--out", "hd", "--steps", "1", "--set", "image_size=64"]
    shape = [part for v in ("min_feat_size=32", "max_ch=32", "res_depth=0", "batch_size=1") for part in ("--set", v)]
    done = finished([sys.executable, "-c", BARE, *needs, *shape])
    assert done.returncode == 2 and "--set vgg19=" in done.stderr and "--set perceptual=0" in done.stderr


def test_the_first_20_steps_of_the_shipped_training_are_those_of_the_log(shared: Path, tmp_path: Path) -> None:
    """methods/sparnet/training/first20.jsonl was made by this command; see the README beside it."""
    folder = ROOT / "methods" / "sparnet" / "training"
    logged = {line["step"]: line["l1"] for line in read_log(folder / "first20.jsonl") if "l1" in line}
    assert sorted(logged) == list(range(1, 21))
    words = next(
        line for line in (folder / "README.md").read_text().splitlines() if "--out runs/first20" in line
    ).split()
    assert words[:3] == ["facesr-bench", "train", "sparnet"]
    words[words.index("FACES")] = str(shared / "faces" / "train144")
    assert main(words[1:]) == 0
    again = {line["step"]: line["l1"] for line in read_log(Path("runs/first20/log.jsonl")) if "l1" in line}
    # Other processors sum in another order; a wrong sample, rate or loss is off by far more.
    assert again == pytest.approx(logged, abs=2e-3)
    shutil.rmtree("runs")


def test_logs_of_shipped_trainings_hold_what_the_readmes_say() -> None:
    folder = ROOT / "methods" / "sparnethd" / "training"
    lines = [line for line in read_log(folder / "log.jsonl") if "l1" in line]
    assert lines[-1]["step"] == 200
    for term in ("l1", "feature_matching", "perceptual"):
        assert lines[-1][term] < lines[0][term]
    first, last = lines[0], lines[-1]
    assert last["d_real"] + last["d_fake"] < first["d_real"] + first["d_fake"] < 2.0
    assert json.loads((folder / "log.jsonl").read_text().splitlines()[0])["settings"]["pixel"] == 100
