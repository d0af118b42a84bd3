"""Cuts a trained checkpoint into pieces that are small enough to be carried, and joins them again.

    python gpu_pieces.py cut runs/gpu/best.safetensors PIECES     fp16: best.safetensors.0, .1 ... and pieces.json
    python gpu_pieces.py join PIECES sparnet.safetensors          checks every sha256

`cut` may run while the training goes on: pieces.json is written last, and names what belongs together.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

PIECE = 15_000_000
"""Bytes of a piece."""


def halved(path: Path) -> bytes:
    """The checkpoint with its floating-point tensors in fp16, and its metadata."""
    from safetensors import safe_open
    from safetensors.torch import save

    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        metadata = file.metadata()
    return save({n: t.half() if t.is_floating_point() else t for n, t in tensors.items()}, metadata=metadata)


def cut(checkpoint: Path, folder: Path) -> None:
    """Write the pieces, then pieces.json."""
    content = halved(checkpoint)
    whole = hashlib.sha256(content).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    named: list[dict[str, str]] = []
    for number, start in enumerate(range(0, len(content), PIECE)):
        piece, name = content[start : start + PIECE], f"{checkpoint.name}.{number}"
        replace(folder / name, piece)
        named.append({"name": name, "sha256": hashlib.sha256(piece).hexdigest()})
    replace(folder / "pieces.json", json.dumps({"sha256": whole, "pieces": named}, indent=2).encode())


def replace(path: Path, content: bytes) -> None:
    """Write a file so that a reader never sees half of it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def join(folder: Path, out: Path) -> None:
    """Put the pieces together.

    Raises:
        SystemExit: a piece is missing or damaged.
    """
    table = json.loads((folder / "pieces.json").read_text(encoding="utf-8"))
    content = b""
    for piece in table["pieces"]:
        path = folder / Path(piece["name"]).name
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != piece["sha256"]:
            raise SystemExit(f"{path}: missing or damaged")
        content += data
    if hashlib.sha256(content).hexdigest() != table["sha256"]:
        raise SystemExit(f"{folder}: the pieces don't make the file that pieces.json names")
    replace(out, content)
    sys.stdout.write(f"{out}: {len(content) / 1e6:.1f} MB, sha256 {table['sha256']}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("cut", "join"))
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    (cut if arguments.what == "cut" else join)(arguments.source, arguments.target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
