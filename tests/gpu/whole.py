"""An evaluation from pictures on disk to numbers on disk: as it is, with parts left out, by other backends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from facesr_bench.base import devices
from facesr_bench.evaluation import ahead as ahead_module
from facesr_bench.evaluation import in_torch
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.images.files import Image8, read_image

from .agreement import Lines, check_backend
from .journal import Line

NEAR = 1e-3
"""How far the mean PSNR of all faces may be off that of the CPU, in dB."""


def evaluations(faces: Sequence[Image8], device: str, found: dict[str, Line]) -> Lines:
    """The same evaluation in each way that there is here.

    Args:
        found: the lines that came of those before: where pictures or numbers must be the same, they are held equal.
    """
    lines: Lines = {device: lambda: evaluation(faces, device)}
    if device != "cpu":
        lines["cpu"] = lambda: _against(found[device], evaluation(faces, "cpu"))
    lines[f"{device}, nothing ahead"] = lambda: _like(found[device], evaluation(faces, device, ahead=False))
    for backend in reversed(in_torch.IN_TORCH):  # compiling takes longest
        lines[f"{device}, {backend}"] = partial(evaluation, faces, device, backend)
    return lines


def _like(one: Line, other: Line) -> Line:
    if one.figures.get("pictures") == other.figures["pictures"]:
        return Line(other.well, f"the same pictures; {other.said}", other.figures)
    return Line(False, f"OTHER PICTURES than with prefetch and pinned memory; {other.said}", other.figures)


def _against(one: Line, cpu: Line) -> Line:
    there, here = one.figures.get("psnr", {}), cpu.figures["psnr"]
    near = there.keys() == here.keys() and all(abs(there[name] - here[name]) <= NEAR for name in here)
    said = "PSNR is the device's" if near else "ANOTHER PSNR than on the device"
    return Line(cpu.well and near, f"{said}; {cpu.said}", cpu.figures)


def evaluation(faces: Sequence[Image8], device: str, backend: str = "torch", *, ahead: bool = True) -> Line:
    """sparnet, and by torch itself bicubic too, with PSNR and SSIM.

    Args:
        ahead: whether the next batch is brought to the GPU while it works, and through pinned memory.

    Returns:
        Seconds, also by stage; mean PSNR; a hash of all pictures; problems.
    """
    if backend != "torch":
        check_backend(backend, device)
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
            label: sum(row.metrics.get("psnr", float("nan")) for row in found.values()) / len(faces)
            for label, found in rows.items()
        }
        pictures = sha256()
        for result in outcome.results:
            for image_id, row in sorted(result.rows().items()):
                if row.error is None:
                    pictures.update(read_image(result.sr_path(image_id)).tobytes())
        stages = {name: round(taken, 3) for name, (taken, _) in outcome.profile.stages.items()}
    psnr = ", ".join(f"{label} {value:.4f} dB" for label, value in means.items())
    costly = sorted(stages.items(), key=lambda each: -each[1])[:4]
    said = f"{seconds:.1f} s; {psnr}; " + ", ".join(f"{name} {taken:.2f} s" for name, taken in costly)
    figures = {"seconds": seconds, "psnr": means, "pictures": pictures.hexdigest(), "stages": stages}
    if outcome.problems:
        said = f"{len(outcome.problems)} problems, the first: {outcome.problems[0].splitlines()[0]}; {said}"
    return Line(not outcome.problems, said, {**figures, "problems": outcome.problems})


@contextmanager
def switched(on: bool) -> Iterator[None]:
    """Inside, the next batch is made ready while the device works, through pinned memory, or not."""
    before = ahead_module.PREFETCH, devices.PINNED
    ahead_module.PREFETCH = devices.PINNED = on
    try:
        yield
    finally:
        ahead_module.PREFETCH, devices.PINNED = before
