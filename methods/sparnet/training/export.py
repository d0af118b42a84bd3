"""Turn a training checkpoint into the file that ships: fp16 safetensors with its history in the metadata.

python methods/sparnet/training/export.py runs/sparnet methods/sparnet/weights/sparnet.safetensors
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the --out folder of train.py")
    parser.add_argument("file", type=Path, help="the .safetensors file to write")
    args = parser.parse_args()
    lines = [json.loads(line) for line in (args.run / "log.jsonl").read_text().splitlines()]
    first, last = lines[0], [line for line in lines if "l1" in line][-1]
    metadata = {
        "method": first["arguments"]["variant"],
        "loss": "L1",
        "steps": str(last["step"]),
        "samples": str(last["samples"]),
        "seconds": str(last["seconds"]),
        "validation_psnr": str(last["psnr"]),
        "validation_psnr_bicubic": str(first["bicubic_psnr"]),
        "training_images": str(first["train"]),
        "licence": "research use only",
    }
    tensors = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in load_file(args.run / "last.safetensors").items()
    }
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values() if tensor.is_floating_point()):
        raise SystemExit("a weight does not fit fp16")
    args.file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, args.file, metadata=metadata)
    args.file.chmod(0o644)
    digest = hashlib.sha256(args.file.read_bytes()).hexdigest()
    print(json.dumps({**metadata, "sha256": digest, "size": args.file.stat().st_size}, indent=2))


if __name__ == "__main__":
    main()
