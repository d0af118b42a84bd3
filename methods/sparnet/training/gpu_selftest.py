"""A minute's proof of the GPU path: the folded network against the CPU, and a training step in bf16.

    python gpu_selftest.py --weights sparnet.safetensors [--device cuda] [--json selftest.json]

Exit status 1 where the network's output on the device differs from the CPU's by more than 1e-4 of [-1, 1].
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from network import SPARNet, SPARNetConfig  # type: ignore[import-not-found]

TOLERANCE = 1e-4


def folded_difference(weights: Path, device: str) -> float:
    """Largest difference of the folded network's output on `device` from the plain network's on the CPU."""
    network = SPARNet(SPARNetConfig()).eval()
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(weights).items()}, strict=False)
    x = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected = network(x)
        fast = network.for_inference().to(device, memory_format=torch.channels_last)
        found = fast(x.to(device).contiguous(memory_format=torch.channels_last)).cpu()
    return float((found - expected).abs().max())


def forward_rates(device: str, seconds: float) -> dict[str, float]:
    """Images per second of the folded network, by precision and batch."""
    network = SPARNet(SPARNetConfig()).eval().for_inference().to(device, memory_format=torch.channels_last)
    rates = {}
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        network = network.to(dtype)
        for batch in (1, 16, 64) if device != "cpu" else (1,):
            x = torch.rand(batch, 3, 128, 128, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
            with torch.inference_mode():
                network(x)
                synchronise(device)
                started, count = time.perf_counter(), 0
                while time.perf_counter() - started < seconds:
                    network(x)
                    synchronise(device)
                    count += batch
            rates[f"{precision}, batch {batch}"] = count / (time.perf_counter() - started)
    return rates


def training_rate(device: str, batch: int, seconds: float) -> dict[str, float]:
    """Images per second of training steps in bf16 autocast, and the first and last loss on one fixed batch."""
    network = SPARNet(SPARNetConfig()).train().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.9, 0.99))
    shape = (batch, 3, 128, 128)
    x = (torch.rand(shape, device=device) * 2 - 1).contiguous(memory_format=torch.channels_last)
    losses: list[float] = []
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds or len(losses) < 3:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu" if device == "cpu" else "cuda", torch.bfloat16):
            loss = (network(x).float() - x).abs().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        if len(losses) == 1:  # the first step also chooses algorithms
            started, count = time.perf_counter(), 0
        else:
            count += batch
    rate = count / (time.perf_counter() - started)
    return {"images_per_second": rate, "first_loss": losses[0], "last_loss": losses[-1]}


def synchronise(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="sparnet's safetensors")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, default=128, help="of a training step (default: 128)")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each figure (default: 4)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    facts: dict[str, Any] = {"device": arguments.device, "torch": torch.__version__}
    if arguments.device != "cpu":
        facts["card"] = torch.cuda.get_device_name()
    facts["folded_difference"] = folded_difference(arguments.weights, arguments.device)
    facts["forward_images_per_second"] = forward_rates(arguments.device, arguments.seconds)
    facts["training"] = training_rate(arguments.device, arguments.batch, arguments.seconds)
    text = json.dumps(facts, indent=2)
    sys.stdout.write(text + "\n")
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")
    well = facts["folded_difference"] <= TOLERANCE and facts["training"]["last_loss"] < facts["training"]["first_loss"]
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
