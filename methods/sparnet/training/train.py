"""Train SPARNet with a plain L1 loss: random face crops to 128 px, flips, Pillow bicubic 128 -> 16 -> 128.

    python methods/sparnet/training/train.py --data FACES --out runs/sparnet --steps 4000

Resumes by itself from `OUT/last.pt`; a run that was stopped and resumed gets the same weights as one that was not,
because the samples of a step depend on the seed and the step alone. Needs torch, numpy, Pillow and safetensors.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# The folder is a plug-in, not a package, and this script also runs where facesr_bench is not installed.
from network import SPARNet, SPARNetConfig  # type: ignore[import-not-found]
from training.cpu_convolution import use_split_layout  # type: ignore[import-not-found]

SIZE, LR_SIZE = 128, 16
SMALLEST_CROP = 112
VALIDATION_COUNT = 240
VARIANTS = {"sparnet": SPARNetConfig(), "sparnet-light-3d": SPARNetConfig(res_depth=1, att_name="spar3d")}


def read_faces(folder: Path, cache: Path) -> tuple[list[str], NDArray[np.uint8]]:
    """File names and N x S x S x 3 pixels, decoded once and then memory-mapped from `cache`."""
    names = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in {".webp", ".png", ".jpg"})
    if not names:
        raise SystemExit(f"{folder}: no .webp, .png or .jpg files to train on")
    if not cache.exists():
        faces = np.stack([np.asarray(Image.open(folder / name).convert("RGB")) for name in names])
        partial = cache.with_suffix(".partial.npy")
        np.save(partial, faces)
        os.replace(partial, cache)
    return names, np.load(cache, mmap_mode="r")


def split(names: list[str]) -> tuple[list[int], list[int]]:
    """Training and validation indexes; the split depends on the file names alone."""
    order = sorted(range(len(names)), key=lambda i: hashlib.sha256(names[i].encode()).digest())
    return order[VALIDATION_COUNT:], order[:VALIDATION_COUNT]


def degrade(hr: Image.Image) -> Image.Image:
    lr = hr.resize((LR_SIZE, LR_SIZE), Image.Resampling.BICUBIC)
    return lr.resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def to_tensor(images: list[Image.Image]) -> torch.Tensor:
    """Bx3x128x128 in [-1, 1]."""
    pixels = np.stack([np.asarray(image) for image in images]).astype(np.float32)
    return torch.from_numpy(pixels / 127.5 - 1.0).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def training_batch(
    faces: NDArray[np.uint8], train: list[int], batch: int, seed: int, step: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The (input, target) of one step: without replacement within an epoch, the same for any start."""
    per_epoch = len(train) // batch
    epoch, position = divmod(step, per_epoch)
    order = np.random.default_rng([seed, 1, epoch]).permutation(len(train))
    rng = np.random.default_rng([seed, 2, step])
    inputs, targets = [], []
    for k in order[position * batch : (position + 1) * batch]:
        face = Image.fromarray(faces[train[k]])
        side = int(rng.integers(SMALLEST_CROP, face.width + 1))
        left, top = (int(rng.integers(0, face.width - side + 1)) for _ in range(2))
        hr = face.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
        if rng.random() < 0.5:
            hr = hr.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        inputs.append(degrade(hr))
        targets.append(hr)
    return to_tensor(inputs), to_tensor(targets)


def luma_psnr(sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
    """PSNR in dB of each image on BT.601 luma, for images in [-1, 1]; used to watch training, not to report."""
    weights = torch.tensor([65.481, 128.553, 24.966]).view(1, 3, 1, 1).to(sr) / 2
    error = ((sr.clamp(-1, 1) - hr) * weights).sum(1)
    return 10 * torch.log10(255.0**2 / error.square().mean((1, 2)))


def validate(network: SPARNet, inputs: torch.Tensor, targets: torch.Tensor) -> float:
    network.eval()
    with torch.inference_mode():
        scores = [
            luma_psnr(network(x), y) for x, y in zip(torch.split(inputs, 16), torch.split(targets, 16), strict=True)
        ]
    return float(torch.cat(scores).mean())


def learning_rate(step: int, args: argparse.Namespace) -> float:
    """Linear warm-up, constant, then linear decay to zero over the last part."""
    warm = min(1.0, (step + 1) / args.warmup)
    decay_steps = max(1, int(args.steps * args.decay))
    return float(args.lr * warm * min(1.0, (args.steps - step) / decay_steps))


def save(path: Path, write: Any) -> None:
    partial = path.with_name(path.name + ".partial")
    write(partial)
    os.replace(partial, path)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of square face images of one size")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and log")
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="sparnet")
    parser.add_argument("--steps", type=int, required=True, help="steps in all, also when resuming")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--lr", type=float, default=4e-4)
    parser.add_argument("--warmup", type=int, default=100, help="steps of linear warm-up")
    parser.add_argument("--decay", type=float, default=0.3, help="fraction of the steps over which the rate falls to 0")
    parser.add_argument("--ema", type=float, default=0.995, help="decay of the weights' moving average")
    parser.add_argument("--init", type=Path, help="safetensors file whose weights the first step starts from")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of torch; 0: its own choice")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--save-every", type=int, default=50, help="steps between checkpoints")
    parser.add_argument("--validate-every", type=int, default=200, help="steps between validations")
    return parser.parse_args()


def main() -> None:
    args = parse()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)  # a precaution: denormal numbers are slow on CPUs
    names, faces = read_faces(args.data, args.out / "faces.npy")
    train, held_out = split(names)
    held = [Image.fromarray(faces[i]).resize((SIZE, SIZE), Image.Resampling.BICUBIC) for i in held_out]
    val_inputs, val_targets = to_tensor([degrade(h) for h in held]), to_tensor(held)

    network = SPARNet(VARIANTS[args.variant]).to(args.device, memory_format=torch.channels_last)
    if args.init:
        network.load_state_dict(load_file(args.init))
    average = deepcopy(network)
    if args.device == "cpu":
        use_split_layout(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=args.lr, betas=(0.9, 0.99))
    step, seconds = 0, 0.0
    last = args.out / "last.pt"
    if last.exists():
        state = torch.load(last, weights_only=True, map_location=args.device)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, seconds = state["step"], state["seconds"]

    log = (args.out / "log.jsonl").open("a")

    def record(**fields: Any) -> None:
        log.write(json.dumps(fields) + "\n")
        log.flush()
        print(fields, flush=True)

    record(
        step=step,
        bicubic_psnr=round(float(luma_psnr(val_inputs, val_targets).mean()), 4),
        train=len(train),
        arguments={name: str(value) for name, value in vars(args).items() if name not in {"data", "out"}},
    )
    prefetch = ThreadPoolExecutor(1)

    def batch_of(s: int) -> Any:
        return prefetch.submit(training_batch, faces, train, args.batch_size, args.seed, s)

    upcoming = batch_of(step)
    losses: list[float] = []
    mark = time.perf_counter()
    while step < args.steps:
        inputs, targets = (t.to(args.device) for t in upcoming.result())
        upcoming = batch_of(step + 1)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args)
        network.train()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(torch.device(args.device).type, torch.bfloat16, enabled=args.precision == "bf16"):
            sr = network(inputs)
        loss = functional.l1_loss(sr.float(), targets)
        torch.autograd.backward(loss)
        optimizer.step()
        if not torch.isfinite(loss):
            raise SystemExit(f"step {step}: the loss is {float(loss)}; the last good checkpoint is {last}")
        step += 1
        losses.append(float(loss.detach()))
        decay = min(args.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, value in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(value, 1 - decay)
                else:
                    mean.copy_(value)
        if step % args.save_every == 0 or step == args.steps:
            seconds += time.perf_counter() - mark
            mark = time.perf_counter()
            state = {
                "network": network.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step,
                "seconds": seconds,
            }
            save(last, lambda path, state=state: torch.save(state, path))
            tensors = {k: v.contiguous().cpu() for k, v in average.state_dict().items()}
            save(args.out / "last.safetensors", lambda path, tensors=tensors: save_file(tensors, path))
            psnr = None
            if step % args.validate_every == 0 or step == args.steps:
                psnr = round(validate(average, val_inputs.to(args.device), val_targets.to(args.device)), 4)
            record(
                step=step,
                l1=round(float(np.mean(losses)), 5),
                lr=learning_rate(step - 1, args),
                samples=step * args.batch_size,
                seconds=round(seconds),
                psnr=psnr,
            )
            losses.clear()
            mark = time.perf_counter()
    prefetch.shutdown(cancel_futures=True)


if __name__ == "__main__":
    main()
