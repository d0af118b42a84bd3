"""A run in three shards, merged where there is neither data nor a network: FID and KID are those of one run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from facesr_bench.evaluation import run as runner
from facesr_bench.results.store import Result, read_results

from .test_jobs import asked
from .test_processes import twelve

__all__ = ["twelve"]  # a fixture


def merged(out: Path, *parts: Path) -> str:
    command = [sys.executable, "-m", "facesr_bench", "merge", *map(str, parts), "--out", str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout + done.stderr


def sets(result: Result) -> dict[str, Any]:
    return result.sets()


def test_shards_have_the_fid_of_one_run(twelve: Path, tmp_path: Path, inception_weights: Path) -> None:
    network = tmp_path / "inception.pth"
    shutil.copyfile(inception_weights, network)
    more: dict[str, Any] = {
        "metrics": ("psnr", f"fid[clean]@inception-2015={network}", f"kid[clean]@inception-2015={network}")
    }
    whole = runner.run(asked(twelve, tmp_path / "whole", "bicubic", "nearest", **more))
    parts = [tmp_path / f"part{i}" for i in (1, 2, 3)]
    for number, part in enumerate(parts, 1):
        runner.run(asked(twelve, part, "bicubic", "nearest", shard=(number, 3), **more))
    twelve.rename(tmp_path / "elsewhere")
    network.rename(tmp_path / "gone.pth")
    out = tmp_path / "out"
    said = merged(out, *parts[:2])
    assert "8 of 12 images" in said and "made of parts" not in said
    said = merged(out, *parts)
    assert "FID clean" in said and "made of parts" not in said and "run again" not in said
    results = read_results(out).results
    for one, other in zip(whole.results, results, strict=True):
        expected, found = sets(one), sets(other)
        assert len(found) == 2 and found == expected, "to the last bit, as of the same images and extractor"
        assert all(entry["n"] == 12 and entry["value"] > 0 for entry in found.values())
    (tmp_path / "elsewhere").rename(twelve)
    (tmp_path / "gone.pth").rename(network)
    again = runner.run(asked(twelve, out, "bicubic", "nearest", **more))
    assert again.computed == 0 and [sets(one) for one in again.results] == [sets(one) for one in whole.results]


def test_what_the_features_do_not_give_is_left_to_a_run(twelve: Path, tmp_path: Path, inception_weights: Path) -> None:
    more: dict[str, Any] = {"metrics": ("psnr", f"fid@inception-2015={inception_weights}")}
    parts = [tmp_path / f"part{i}" for i in (1, 2)]
    for number, part in enumerate(parts, 1):
        found = runner.run(asked(twelve, part, "bicubic", shard=(number, 2), **more)).results[0]
    shutil.rmtree(found.folder / "features")
    said = merged(tmp_path / "out", *parts)
    assert "was made of parts; of all, with no image anew" in said
    (result,) = read_results(tmp_path / "out").results
    assert "run again to compute it of all" in next(iter(result.sets().values()))["reason"]
