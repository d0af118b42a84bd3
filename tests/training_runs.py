"""A method that trains in seconds, trainings in processes of their own, and what they leave on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from facesr_bench.training.checkpoints import read_log, read_state

ROOT = Path(__file__).resolve().parents[1]

MakeTiny = Callable[..., str]

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
from facesr_bench import MethodBase
from facesr_bench.weights import load_strictly
from .network import Tiny, TinyConfig

class Method(MethodBase):
    def load(self):
        self.network = Tiny(TinyConfig())
        load_strictly(self.network, self.weights, "tiny")
        self.network.eval()

    @torch.inference_mode()
    def upscale(self, lr):
        return ((self.network(lr * 2 - 1) + 1) / 2).clamp(0, 1)
"""


def tensors(path: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(path)
    return found


def assert_same_training(a: Path, b: Path) -> None:
    """The same weights, optimisers, averages and losses, bit for bit."""
    for name in ("last.safetensors", "best.safetensors"):
        one, other = tensors(a / name), tensors(b / name)
        assert one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one), name
    one, other = ({k: v for k, v in read_state(f / "last.pt").items() if k != "seconds"} for f in (a, b))
    assert plain(one) == plain(other)
    timeless = [
        [
            {k: v for k, v in line.items() if k not in {"seconds", "images_per_second"}}
            for line in read_log(f / "log.jsonl")
        ]
        for f in (a, b)
    ]
    ours, theirs = ([line for line in lines if "arguments" not in line] for lines in timeless)
    assert ours == theirs


def plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.numpy().tobytes()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "facesr_bench", "train", *arguments]


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
