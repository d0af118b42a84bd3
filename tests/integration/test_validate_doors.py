"""`validate` on what others have made: finished pictures, programs, methods that draw random numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesr_bench.cli import main

from .conftest import HEAD, MakeMethod
from .test_commands import LANCZOS, write

NEAREST = "functional.interpolate(lr, scale_factor=self.scale, mode='nearest')"


@pytest.fixture
def restored(tmp_path: Path) -> Path:
    """One picture of each image of `faces`."""
    folder = tmp_path / "restored"
    folder.mkdir()
    for i in range(5):
        Image.fromarray(np.full((64, 64, 3), 20 * i, np.uint8)).save(folder / f"face{i}.png")
    return folder


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return " ".join((captured.out + captured.err).split())


def test_pictures_alone_are_read_and_counted(restored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", f"images:{restored}"]) == 0
    shown = said(capsys)
    assert "5 pictures: 5 of 64x64 px" in shown
    for check in ("input kept", "determinism", "batch invariance"):
        assert f"ok {check}" in shown
    Image.new("RGB", (32, 32)).save(restored / "face2.png")
    assert main(["validate", f"images:{restored}"]) == 0
    assert "5 pictures: 1 of 32x32 px, 4 of 64x64 px" in said(capsys)
    (restored / "face1.png").write_bytes((restored / "face1.png").read_bytes()[:90])
    assert main(["validate", f"images:{restored}"]) == 1
    shown = said(capsys)
    assert "1 of 5 images have none: face1:" in shown and "damaged or truncated" in shown


def test_pictures_are_held_against_a_protocol(restored: Path, faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    protocol = ["--protocol", "folder-x8", "--data", f"folder-x8={faces}"]
    assert main(["validate", f"images:{restored}", *protocol]) == 0
    (restored / "face4.png").rename(restored / "face5.png")
    Image.open(restored / "face0.png").save(restored / "face0.jpg")
    (restored / "face0.png").unlink()
    capsys.readouterr()
    assert main(["validate", f"images:{restored}", *protocol]) == 1
    shown = said(capsys)
    assert "1 of 5 images have none: face4: no picture of it" in shown
    assert "1 picture belongs to no image: face5.png" in shown and "1 picture is JPEG" in shown


def test_pictures_of_another_size_or_name_are_failed_checks(restored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", f"images:{restored}", "--protocol", "demo-x8"]) == 1
    assert "failed images: " in (shown := said(capsys)) and "is called after an image of the protocol" in shown
    for i, name in enumerate(["astronaut", *(f"t1-{number}" for number in range(1, 7))]):
        Image.new("RGB", (128, 64 if i == 3 else 128)).save(restored / f"{name}.png")
    assert main(["validate", f"images:{restored}", "--protocol", "demo-x8"]) == 1
    assert "1 of 7 images have none: t1-3: " in (shown := said(capsys)) and "is 128x64 px; expected 128x128" in shown


def test_a_folder_of_pictures_is_told_how_it_is_written(restored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(restored)]) == 2
    assert f"write images:{restored}" in said(capsys)


def test_a_program_is_started_and_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, LANCZOS)
    assert main(["validate", f"command:{tmp_path}/lanczos.toml"]) == 0
    assert "3 pictures: 3 of 128x128 px" in said(capsys)
    opened = "picture = Image.open(path)"
    counted = LANCZOS.replace(opened, f"{opened}.rotate(90 * len(list(lr_dir.iterdir())))")
    write(tmp_path, counted)
    assert main(["validate", f"command:{tmp_path}/lanczos.toml"]) == 1
    assert "failed batch invariance: first, second, third: alone, another picture than among others" in said(capsys)
    timed = LANCZOS.replace(opened, f"{opened}.rotate(__import__('time').time_ns() % 360)")
    write(tmp_path, timed)
    assert main(["validate", f"command:{tmp_path}/lanczos.toml"]) == 1
    assert "failed determinism: first, second, third: the same input gave another picture" in said(capsys)
    write(tmp_path, "raise SystemExit('no CUDA')")
    assert main(["validate", f"command:{tmp_path}/lanczos.toml"]) == 1
    assert "3 of 3 images have none: first: exit status 1; it said: no CUDA" in said(capsys)


SEEDED = f"noise = torch.rand(lr.shape[0], 3, 1, 1)\nreturn ({NEAREST} * noise).clamp(0, 1)"


def test_a_method_that_draws_random_numbers_must_say_so_and_name_its_seed(
    make_method: MakeMethod, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = make_method("noise", SEEDED)
    card = Path(spec, "card.toml")
    text = card.read_text()
    assert main(["validate", spec]) == 1
    assert "failed determinism: the same input gave another output with another seed" in said(capsys)
    card.write_text(f"{text}deterministic = false\n")
    assert main(["validate", spec]) == 1
    assert "deterministic = false needs a seed" in said(capsys)
    card.write_text(f"{text}deterministic = false\nseed = 0\n")
    assert main(["validate", spec]) == 0
    capsys.readouterr()
    clock = make_method("clock", f"import time\nreturn ({NEAREST} * (time.time_ns() % 1000 / 1000)).clamp(0, 1)")
    Path(clock, "card.toml").write_text(Path(clock, "card.toml").read_text() + "deterministic = false\nseed = 0\n")
    assert main(["validate", clock]) == 1
    assert "failed determinism: the same input and seed gave another output" in said(capsys)


def test_each_generator_begins_at_the_images_seed(make_method: MakeMethod) -> None:
    """torch's, numpy's and Python's."""
    body = f"drawn = torch.rand(1).item() + numpy.random.rand() + random.random()\nreturn {NEAREST} * drawn / 3"
    spec = make_method("three", body, head="import random, numpy\n" + HEAD)
    Path(spec, "card.toml").write_text(Path(spec, "card.toml").read_text() + "deterministic = false\nseed = 4\n")
    assert main(["validate", spec]) == 0
