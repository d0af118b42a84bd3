"""A leaderboard to draw: hostile names, four metrics, some images; and what is read back of a figure."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np

from facesr_bench.results.leaderboard import Group, groups
from facesr_bench.results.summary import summarise
from tests.report_fixtures import LPIPS, NME, PSNR, SSIM, manifest, scored, write_result
from tests.stored import newest_results

HOSTILE = "<b>$\\frac{x$_^%&\"'"
METRICS = {"psnr": PSNR, "ssim": SSIM, "lpips": LPIPS, "nme@pfld-68:0123abcd": NME}
IDS = [f"face {i}" for i in range(24)]


def value_table(base: float, seed: int) -> dict[str, dict[str, float]]:
    psnr = base + np.random.default_rng(seed).normal(0, 1, len(IDS))
    return {
        i: {"psnr": p, "ssim": p / 50, "lpips": 4 / p, "nme@pfld-68:0123abcd": 150 / p}
        for i, p in zip(IDS, psnr.tolist(), strict=True)
    }


def single(tmp_path: Path, *tables: dict[str, dict[str, float]], **card: Any) -> Group:
    for number, values in enumerate(tables):
        write_result(tmp_path, manifest(f"m{number}", metrics=METRICS, **card), scored(values), pictures=True)
    return groups(summarise(newest_results(tmp_path)))[0]


def texts(svg: bytes) -> list[str]:
    return ["".join(e.itertext()) for e in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
