"""Small real result folders, written as the runner writes them, with pictures drawn by numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facesr_bench.base.files import file_name
from facesr_bench.images.files import Image8, write_png
from facesr_bench.images.resize import resize
from facesr_bench.report.figures.curves import curve
from facesr_bench.report.figures.grid import comparison
from facesr_bench.report.figures.heatmap import heatmap
from facesr_bench.report.figures.plots import distribution, parallel, tradeoff
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.leaderboard import Group
from facesr_bench.results.record import Manifest
from facesr_bench.results.store import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DATA_HASH = "d" * 64

PSNR = {"title": "PSNR", "unit": "dB", "higher_is_better": True, "digits": 2, "version": 1, "range": [0, "inf"]}
PSNR |= {"order": 1, "family": "fidelity", "lead": True}
SSIM = {"title": "SSIM", "unit": "", "higher_is_better": True, "digits": 4, "version": 1, "range": [-1, 1]}
SSIM |= {"order": 2, "family": "fidelity", "lead": True}
LPIPS = {"title": "LPIPS", "unit": "", "higher_is_better": False, "digits": 4, "version": 1, "range": [0, 1]}
LPIPS |= {"family": "perception", "lead": True}
NME = {"title": "NME", "unit": "%", "higher_is_better": False, "digits": 2, "version": 1, "family": "landmarks"}

DRAWN: dict[str, Callable[[Group], Figure]] = {
    "distribution": distribution,
    "ecdf": lambda g: distribution(g, kind="ecdf"),
    "tradeoff": tradeoff,
    "curve": curve,
    "parallel": parallel,
    "comparison": comparison,
    "heatmap": heatmap,
}
"""Every figure of one table, by name."""


def drawing(seed: int, side: int = 32) -> Image8:
    """A smooth random picture, side x side x 3 uint8."""
    noise = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return resize(noise, (side, side))


def manifest(
    method: str = "bicubic",
    *,
    label: str | None = None,
    protocol: str = "toy-x8",
    profile: str = "sparnet",
    weights: str | None = None,
    total: int = 3,
    source: str = "hr",
    metrics: Mapping[str, Mapping[str, Any]] | None = None,
    updated: str = "2026-11-22T09:47:13+00:00",
    data_hash: str = DATA_HASH,
    error: str | None = None,
) -> dict[str, Any]:
    """A manifest as JSON, with every key that the runner writes."""
    label = label or (f"{method}@{weights}" if weights else method)
    return {
        "schema_version": 3,
        "fingerprint": f"{sum(map(ord, label + protocol + profile)):064x}",
        "definition": "f" * 16,
        "created": "2026-11-22T09:40:00+00:00",
        "updated": updated,
        "protocol": {
            "name": protocol,
            "summary": "Toy drawings, 8 times smaller.",
            "split": "test",
            "crop": {"rule": "landmarks", "size": None, "enlarge": 1.5, "shift_up": 0.1},
            "scale": 8,
            "hr_size": 32,
            "lr_size": None,
            "source": source,
            "degradation": "pillow-bicubic" if source == "hr" else None,
            "aligned": "none",
            "profile": profile,
            "metrics": ["psnr", "ssim"],
            "expected_count": None,
        },
        "dataset": {"name": "toy", "title": "Toy drawings", "licence": "CC0"},
        "data": {"hash": data_hash, "count": total},
        "profile": {
            "name": profile,
            "summary": "RGB, rounded, nothing cut off.",
            "source": ["chaofengc/Face-SPARNet@master:psnr_ssim.py"],
            "quantise": "round",
            "pixels": {"channel": "rgb"},
        },
        "method": {
            "name": method,
            "title": method.capitalize(),
            "summary": "A method for tests.",
            "weights": weights,
            "weights_sha256": "a" * 64 if weights else None,
            "label": label,
            "precision": "fp32",
            "parameters": 10_610_562 if weights else 0,
            "licence": "MIT",
            "paper": {"title": "A paper", "url": "https://example.org/paper", "year": 2020, "bibtex": ""},
            "code": "https://example.org/code",
            "training_data": "drawings & more" if weights else None,
            "code_hash": "c" * 64,
        },
        "environment": {
            "facesr_bench": "0.1.0",
            "commit": "0123abc",
            "dirty": True,
            "python": "3.12.0",
            "packages": {"numpy": "2.0.0"},
            "platform": "Linux-x86_64",
            "device": "cpu",
            "threads": 2,
        },
        "request": {"methods": [label], "protocols": [protocol], "options": {}, "data": []},
        "command": f"facesr-bench run --methods {label}",
        "metrics": {"psnr": PSNR, "ssim": SSIM} if metrics is None else dict(metrics),
        "error": error,
    }


def write_result(
    root: Path, card: dict[str, Any], rows: Iterable[ImageRecord], *, pictures: bool = False, noise: int = 0
) -> Result:
    """Write one result folder, with its pictures if asked for, where the runner would.

    Args:
        noise: levels added to or taken from each pixel of the method's pictures, at random.
    """
    method = card["method"]
    folder = root / file_name(card["protocol"]["name"]) / file_name(method["label"]) / card["fingerprint"][-16:]
    result = Result(folder, Manifest.from_json(card))
    result.save_manifest()
    has_truth = card["protocol"]["source"] != "lr"
    for seed, row in enumerate(rows):
        result.append(row)
        if pictures:
            _draw(result, row, seed, has_truth, noise)
    result.close()
    return result


def _draw(result: Result, row: ImageRecord, seed: int, has_truth: bool, noise: int) -> None:
    inputs, outputs = result.inputs_folder, result.folder
    for folder in (inputs / "lr", inputs / "hr", outputs / "sr"):
        folder.mkdir(parents=True, exist_ok=True)
    hr = drawing(seed)
    lr = resize(hr, (4, 4))
    sr = resize(lr, hr.shape[:2])
    off = np.random.default_rng(seed).integers(-noise, noise + 1, sr.shape)
    sr = np.clip(sr + off, 0, 255).astype(np.uint8)
    name = f"{file_name(row.id)}.png"
    write_png(result.inputs_folder / "lr" / name, lr)
    if has_truth:
        write_png(result.inputs_folder / "hr" / name, hr)
    if row.error is None:
        write_png(result.sr_path(row.id), sr)


def scored(values: Mapping[str, Mapping[str, float]], ms: float = 2.5) -> list[ImageRecord]:
    """Rows from id -> metric -> value."""
    return [
        ImageRecord(image_id, dict(metrics), dict.fromkeys(metrics, 1), ms=ms + i)
        for i, (image_id, metrics) in enumerate(values.items())
    ]
