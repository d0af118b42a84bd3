"""The whole check: see check.sh, which starts it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image

from facesr_bench.base import devices
from facesr_bench.base.devices import EXACT, set_torch
from facesr_bench.base.environment import environment
from facesr_bench.evaluation import ahead as ahead_module
from facesr_bench.evaluation import in_torch
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.images.files import Image8, read_image

from . import agreement, speed


def evaluation(faces: Sequence[Image8], device: str, backend: str = "torch", *, ahead: bool = True) -> dict[str, Any]:
    """sparnet, and by torch itself bicubic too, with PSNR and SSIM, from pictures on disk to numbers on disk.

    Args:
        ahead: whether the next batch is brought to the GPU while it works, and through pinned memory.

    Returns:
        Seconds, also by stage; mean PSNR; a hash of all pictures; problems.
    """
    methods = ("sparnet", "bicubic") if backend == "torch" else ("sparnet",)
    with TemporaryDirectory(prefix="facesr-gpu-") as folder, switched(ahead):
        place = Path(folder) / "faces"
        place.mkdir()
        for i, face in enumerate(faces):
            Image.fromarray(face).save(place / f"{i:03}.png")
        request = RunRequest(
            *(methods, ("folder-x8",), {"folder-x8": place}),
            out=Path(folder) / "results",
            device=device,
            backend=backend,
            metrics=("psnr", "ssim"),
            attention=0,
            profile_time=True,
        )
        begun = time.perf_counter()
        outcome = runner.run(request)
        seconds = time.perf_counter() - begun
        assert outcome.profile is not None
        rows = {result.label: result.rows() for result in outcome.results if result.manifest.error is None}
        means = {
            label: sum(row.metrics["psnr"] for row in found.values()) / len(faces) for label, found in rows.items()
        }
        pictures = sha256()
        for result in outcome.results:
            for image_id in sorted(result.rows()):
                pictures.update(read_image(result.sr_path(image_id)).tobytes())
        stages = {name: round(taken, 3) for name, (taken, _) in outcome.profile.stages.items()}
        return {
            **{"seconds": seconds, "psnr": means, "pictures": pictures.hexdigest(), "stages": stages},
            "problems": outcome.problems,
        }


@contextmanager
def switched(on: bool) -> Iterator[None]:
    """Inside, the next batch is made ready while the device works, through pinned memory, or not."""
    before = ahead_module.PREFETCH, devices.PINNED
    ahead_module.PREFETCH = devices.PINNED = on
    try:
        yield
    finally:
        ahead_module.PREFETCH, devices.PINNED = before


def evaluations(faces: Sequence[Image8], device: str) -> dict[str, dict[str, Any]]:
    """The same evaluation in each way that there is here; where pictures must be the same, they are held equal."""
    found = {device: evaluation(faces, device)}
    found[f"{device}, nothing ahead"] = evaluation(faces, device, ahead=False)
    if found[device]["pictures"] != found[f"{device}, nothing ahead"]["pictures"]:
        found[device]["problems"].append("pictures are others without prefetch and pinned memory")
    for backend in filter(lambda one: speed.works(one, device), in_torch.IN_TORCH):
        found[f"{device}, {backend}"] = evaluation(faces, device, backend)
    if device != "cpu":
        found["cpu"] = evaluation(faces, "cpu")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="gpu.json and gpu.txt go there")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=7.0, help="what has not begun by then is left out, and said")
    parser.add_argument("--faces", type=Path, help="HR faces; without, crops of one that scikit-image ships")
    parser.add_argument("--quick", action="store_true", help="few faces, small batches")
    asked = parser.parse_args()
    if asked.device.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit("check: torch sees no GPU here; --device cpu --quick shows what it would do")
    asked.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * asked.minutes
    set_torch(EXACT)
    faces = agreement.crops(6 if asked.quick else 60, asked.faces)
    batches, seconds = ((1, 2), 0.5) if asked.quick else ((1, 16, 64), 3.0)
    facts: dict[str, Any] = {"card": speed.card(asked.device), "environment": environment(asked.device)}
    stages: dict[str, Callable[[], Any]] = {
        "methods": lambda: [line.as_data() for line in agreement.methods(faces[:4], asked.device)],
        "speed": lambda: [asdict(rate) for rate in speed.rates(asked.device, batches, seconds)],
        "evaluation": lambda: evaluations(faces, asked.device),
        "metrics": lambda: [
            line.as_data() for line in agreement.metrics(faces[:4], asked.device, agreement.metric_names())
        ],
        "backends": lambda: [line.as_data() for line in agreement.faster(faces[:4], asked.device)],
    }
    for name, stage in stages.items():
        begun = time.monotonic()
        facts[name] = stage() if begun < end else None
        facts.setdefault("seconds", {})[name] = round(time.monotonic() - begun, 1)
        # At once: what is there is carried home even if the machine is taken away.
        (asked.out / "gpu.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        text = "\n".join(table(facts))
        (asked.out / "gpu.txt").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")
    lines = [line for name in ("methods", "metrics", "backends") for line in facts[name] or []]
    problems = [problem for each in (facts["evaluation"] or {}).values() for problem in each["problems"]]
    return 1 if problems or any(line["well"] is False for line in lines) else 0


def table(facts: dict[str, Any]) -> list[str]:
    """All figures, for people."""
    found = [f"{facts['card']}, torch {torch.__version__}; seconds: {facts['seconds']}"]
    against = {"methods": "the CPU", "metrics": "the CPU", "backends": "torch as it is, on the device"}
    for name, other in against.items():
        found += ["", f"{name} against {other}"]
        for line in facts.get(name) or []:
            mark = {True: "ok", False: "WRONG", None: "not tried"}[line["well"]]
            found.append(f"  {line['name']:28}{mark:10} {line['said']}")
    heads = "".join(f"{backend:>15}" for backend in in_torch.IN_TORCH)
    heads = f"sparnet, 128 px        images/s   plain eager   ratio   of a matrix product   of the stated peak{heads}"
    found += ["", heads]
    for rate in facts.get("speed") or []:
        stated = "-" if rate["stated"] is None else f"{100 * rate['stated']:.1f} %"
        faster = "".join(
            f"{rate['faster'][one]:15.1f}" if one in rate["faster"] else f"{'-':>15}" for one in in_torch.IN_TORCH
        )
        found.append(
            f"  {rate['precision']}, batch {rate['batch']:<8}{rate['ours']:12.1f}{rate['eager']:14.1f}"
            f"{rate['ratio']:8.2f}{100 * rate['measured']:19.1f} %{stated:>21}{faster}"
        )
    for device, each in (facts.get("evaluation") or {}).items():
        psnr = ", ".join(f"{label} {value:.4f} dB" for label, value in each["psnr"].items())
        found += ["", f"evaluation on {device}: {each['seconds']:.1f} s; {psnr}", f"  by stage: {each['stages']}"]
        found += [f"  failed: {problem}" for problem in each["problems"]]
    found += [
        f"{name}: left out, no time"
        for name in ("methods", "speed", "evaluation", "metrics", "backends")
        if facts.get(name, 0) is None
    ]
    return found


if __name__ == "__main__":
    sys.exit(main())
