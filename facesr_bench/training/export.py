"""A checkpoint as the file that ships: half precision, with its history in the metadata."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save as to_bytes
from torch import Tensor

from facesr_bench.base.errors import TrainingError
from facesr_bench.training.checkpoints import LOG_FILE, read_log, write_atomically
from facesr_bench.weights.checkpoints import read_metadata, read_state_dict

MAX_MEGABYTES = 25.0
"""What a repository and a wheel should not have to carry more of than this."""


@dataclass(frozen=True)
class Exported:
    """The file written.

    Attributes:
        size: bytes.
        metadata: as written into it.
    """

    path: Path
    sha256: str
    size: int
    metadata: dict[str, str]

    def card(self) -> str:
        """The entry for the method's card.toml."""
        facts = self.metadata
        done = f"{int(facts['steps']):,} steps ({int(facts['samples']):,} samples)" if "samples" in facts else ""
        psnr = f"validation PSNR {float(facts['validation_psnr']):.2f} dB" if "validation_psnr" in facts else ""
        begun = f"begun from {facts['init']}" if "init" in facts else ""
        begun += f" (sha256 {facts['init_sha256']})" if "init_sha256" in facts else ""
        training = "; ".join(part for part in (f"facesr-bench: {facts.get('losses', '')}", begun, done, psnr) if part)
        lines = {
            "file": f"weights/{self.path.name}",
            "sha256": self.sha256,
            "size": self.size,
            "licence": facts["licence"],
            "training_data": facts["data"],
            "training": training,
        }
        body = "\n".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in lines.items())
        return f"[weights.{self.path.stem}]\n{body}"


def export(
    checkpoint: Path, out: Path, *, licence: str, data: str | None = None, max_megabytes: float = MAX_MEGABYTES
) -> Exported:
    """Write a training's weights as fp16 safetensors.

    Args:
        checkpoint: `best.safetensors` or `last.safetensors` of a training; what its metadata lacks is looked up in the
            log beside it.
        licence: of the weights.
        data: what they were trained on, in words; None: as the checkpoint says.
        max_megabytes: the largest file that is written (10^6 bytes).

    Raises:
        WeightsError: unreadable.
        TrainingError: a weight that does not fit fp16, a file too large, or a name under which it could
            not be used; then nothing is written.
    """
    if checkpoint.suffix != ".safetensors":
        raise TrainingError(f"{checkpoint}: give a training's best.safetensors or last.safetensors")
    if out.suffix != ".safetensors":
        raise TrainingError(f"--out {out}: the file's name must end in .safetensors")
    if out.exists() and out.samefile(checkpoint):
        raise TrainingError(f"--out {out}: is the checkpoint itself, which would lose half of its precision")
    tensors, known = read_state_dict(checkpoint), read_metadata(checkpoint)
    metadata = {**_from_log(checkpoint.with_name(LOG_FILE)), **known, "licence": licence}
    if data is not None:
        metadata["data"] = data
    for name in ("method", "data", "steps", "losses"):
        if not metadata.get(name):
            hint = "; say it with --data" if name == "data" else ""
            raise TrainingError(f"{checkpoint}: neither it nor {LOG_FILE} beside it says the {name}{hint}")
    half = {name: _to_half(name, tensor, checkpoint) for name, tensor in tensors.items()}
    content = to_bytes(half, metadata=metadata)
    if len(content) > max_megabytes * 1e6:
        raise TrainingError(
            f"{out}: would have {len(content) / 1e6:.1f} MB, more than {max_megabytes:g}; --max-mb allows more"
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{out.parent}: can't be made: {error.strerror or error}") from error
    write_atomically(out, lambda file: file.write(content))
    return Exported(out, hashlib.sha256(content).hexdigest(), len(content), metadata)


def _to_half(name: str, tensor: Tensor, path: Path) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    if not half.isfinite().all():
        raise TrainingError(f"{path}: {name} has a value that does not fit fp16, or is not finite")
    return half


def _from_log(path: Path) -> dict[str, str]:
    """What the log of a training holds of its last step; older releases wrote it nowhere else."""
    lines = read_log(path)
    starts = [line for line in lines if "arguments" in line]
    steps = [line for line in lines if "samples" in line]
    if not starts or not steps:
        return {}
    arguments, last = starts[-1]["arguments"], steps[-1]
    # What a resumed training was begun from stands at its first start.
    begun: dict[str, Any] = next((line["arguments"] for line in starts if line["arguments"].get("init")), {})
    psnr = [line["psnr"] for line in steps if line.get("psnr") is not None]
    fields: dict[str, Any] = {
        "method": arguments.get("method", arguments.get("variant")),
        "data": f"{starts[-1]['train']} pictures",
        "training_images": starts[-1]["train"],
        "steps": last["step"],
        "samples": last["samples"],
        "seconds": last["seconds"],
        "losses": next((name for name in ("l1", "l2", "charbonnier") if name in last), None),
        "validation_psnr": psnr[-1] if psnr else None,
        "validation_psnr_bicubic": starts[-1]["bicubic_psnr"],
        "seed": arguments.get("seed"),
        "precision": arguments.get("precision"),
        "init": begun.get("init"),
        "init_sha256": begun.get("init_sha256"),
    }
    return {name: str(value) for name, value in fields.items() if value is not None}
