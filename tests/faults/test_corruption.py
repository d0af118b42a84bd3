"""Bytes that change on disk: no wrong number is read or computed, and the next run has all the right ones again."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import RunOutcome, RunRequest
from facesr_bench.results.store import Result, read_results
from tests.metric_tools import MEANS

CARD = """
schema_version = 1
kind = "metric"
name = "means"
title = "Means"
summary = "How far the mean colours lie apart."
version = 1
of = "set"
higher_is_better = false
unit = "levels"
range = [0, 255]
needs = ["reference"]
digits = 4
"""


Corruption = Callable[[random.Random, bytes], bytes]


def a_bit(chance: random.Random, data: bytes) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]


def a_digit(chance: random.Random, data: bytes) -> bytes:
    places = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    if not places:
        return a_bit(chance, data)
    place = chance.choice(places)
    return data[:place] + bytes([48 + (data[place] - 48 + chance.randrange(1, 10)) % 10]) + data[place + 1 :]


def a_block(chance: random.Random, data: bytes) -> bytes:
    place, length = chance.randrange(len(data)), chance.choice([1, 4, 64, 512])
    block = bytes(length) if chance.random() < 0.5 else chance.randbytes(length)
    return (data[:place] + block + data[place + length :])[: max(len(data), 1)]


def the_tail(chance: random.Random, data: bytes) -> bytes:
    kept = chance.randrange(len(data))
    return data[:kept] + (bytes(len(data) - kept) if chance.random() < 0.5 else b"")


def two_blocks(chance: random.Random, data: bytes) -> bytes:
    length = chance.choice([1, 8, 64])
    a, b = sorted(chance.randrange(len(data)) for _ in range(2))
    return data[:a] + data[b : b + length] + data[a + length : b] + data[a : a + length] + data[b + length :]


CORRUPTIONS: list[Corruption] = [a_bit, a_digit, a_block, the_tail, two_blocks]
KINDS = ("images.jsonl", "sets.json", "manifest.json", "samples.jsonl", "features", "references", "sr", "lr", "hr")


def values(result: Result) -> dict[str, object]:
    """Every number of a result."""
    found: dict[str, object] = {f"{i} {name}": v for i, row in result.images.items() for name, v in row.metrics.items()}
    return found | {name: entry["value"] for name, entry in result.sets().items() if "value" in entry}


@pytest.mark.parametrize("rounds", [10, pytest.param(300, marks=pytest.mark.full)])
def test_no_corruption_of_stored_files_gives_a_wrong_number(
    tmp_path: Path, astronaut: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))
    faces, metric = tmp_path / "faces", tmp_path / "means"
    faces.mkdir()
    metric.mkdir()
    for i in range(4):
        Image.fromarray(astronaut[64 + 8 * i : 128 + 8 * i, 40 + 4 * i : 104 + 4 * i]).save(faces / f"face{i}.png")
    (metric / "card.toml").write_text(CARD)
    (metric / "metric.py").write_text(MEANS)

    def run(out: Path) -> RunOutcome:
        metrics = ("psnr", "ssim", str(metric))
        return runner.run(RunRequest(("bicubic",), ("folder-x8",), {"folder-x8": faces}, out=out, metrics=metrics))

    template = tmp_path / "template"
    (first,) = run(template).results
    right = values(first)
    assert len(right) == 4 * 2 + 1
    done = mended = 0
    for number in range(rounds):
        chance = random.Random(number)
        out = tmp_path / str(number)
        shutil.copytree(template, out)
        said = []
        kinds = [KINDS[number % len(KINDS)], *chance.choices(KINDS, k=chance.randrange(3))]
        for kind in kinds:
            paths = [p for p in sorted(out.rglob("*")) if p.is_file() and kind in p.parts and p.stat().st_size]
            if not paths:
                continue
            path, corruption = chance.choice(paths), chance.choice(CORRUPTIONS)
            path.write_bytes(corruption(chance, path.read_bytes()))
            said.append(f"{corruption.__name__} of {path.relative_to(out)}")
            done += 1
        if chance.random() < 0.5:  # its value must be made of the stored features again
            next(out.rglob("sets.json")).unlink()
            said.append("sets.json is gone")
        for result in read_results(out).results:
            wrong = {name: value for name, value in values(result).items() if right[name] != value}
            assert not wrong, (number, said, wrong)
        again = run(out)
        assert again.problems == [], (number, said, again.problems)
        assert values(read_results(out).results[0]) == right, (number, said)
        assert run(out).computed == 0, (number, said, "for ever")
        mended += bool(again.mended)
        shutil.rmtree(out)
    assert mended > rounds / 5
    print(f"{done} corruptions in {rounds} rounds, {mended} of them mended with a word, 0 wrong numbers")
