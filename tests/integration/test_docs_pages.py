"""The pages are true: their shell runs line by line, in order, in a folder that holds what the page's reader has.

A line of the program alone is run in this process, any other by bash. What is left out or said otherwise stands in the
table of pages below, with the reason; every other line of a page is run as it stands.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from facesr_bench.cli import main
from tests import newcomer

ROOT = Path(__file__).parents[2]
INSTALLS = ("python3 -m venv", ".venv/bin/pip install", "pip install")
"""What an environment is made with: `.ci/run` does that."""
FETCHES = "facesr-bench weights fetch"


@dataclass(frozen=True)
class Page:
    """How a page is followed.

    Attributes:
        prepare: makes what its reader has, in the home folder (`~`) and the folder where the commands are typed.
        left_out: the beginnings of lines that are not run, with the reason.
        instead: what stands in for a part of a line.
        status: the exit status of lines that don't end with 0, by how they begin.
        before: done before the line that begins so.
        made: files that there must be in the end.
    """

    prepare: Callable[[Path, Path], None] = lambda home, here: None
    left_out: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    status: Mapping[str, int] = field(default_factory=dict)
    before: Mapping[str, Callable[[Path, Path], None]] = field(default_factory=dict)
    made: tuple[str, ...] = ()


def helen(home: Path, here: Path) -> None:
    newcomer.write_helen(home / "data/helen")


def paper(home: Path, here: Path) -> None:
    helen(home, here)
    newcomer.write_lfw(home / "data/lfw")
    newcomer.write_alexnet(home / "alexnet.pth")
    weights = {"sparnet@official": newcomer.shipped("sparnet"), "lpips@alex": home / "alexnet.pth"}
    newcomer.write_config(home, weights)


def gfpgans_pictures(home: Path, here: Path) -> None:
    """What GFPGAN's script would leave of the inputs that the run has written."""
    for picture in here.glob("results/demo-blind/inputs/*/lr/*.png"):
        newcomer.copied(picture, here / f"restored/gfpgan/{picture.stem}_00.png")


def own_method(home: Path, here: Path) -> None:
    assert main(["new", "method", "mynet"]) == 0


def edited(home: Path, here: Path) -> None:
    path = here / "mynet/method.py"
    path.write_text(path.read_text(encoding="utf-8").replace("return ", "return 0.99 * "), encoding="utf-8")


def doors(home: Path, here: Path) -> None:
    helen(home, here)
    newcomer.copied(home / "data/helen", here / "data/helen")
    newcomer.write_faces(here / "faces/train", 144, 16)
    newcomer.write_finished(here / "restored/gfpgan", 128)
    newcomer.write_program(here)
    newcomer.copied(here / "mine.toml", here / "upscaler.toml")
    newcomer.write_esrgan(here / "RealESRGAN_x4plus.pth")
    (here / "RealESRGAN_x4plus.pth.toml").write_text('before = "bicubic"\n', encoding="utf-8")
    for name in ("net", "rrdn"):
        assert main(["export", "srcnn", "--onnx", f"{name}.onnx"]) == 0
    shutil.copytree(ROOT / "methods/srcnn", here / "theirs")
    card = here / "theirs/card.toml"
    card.write_text(card.read_text(encoding="utf-8").replace('name = "srcnn"', 'name = "theirs"'), encoding="utf-8")
    own_method(home, here)
    (here / "facesr-bench.toml").write_text('[data]\nhelen = "data/helen"\n', encoding="utf-8")


def blind(home: Path, here: Path) -> None:
    newcomer.write_pairs(home / "data/celeba-test")
    newcomer.write_faces(here / "ffhq_test", 512, 2)
    newcomer.write_faces(here / "theirs", 512, 1)
    (here / "theirs/face00.png").rename(here / "theirs/party-1.png")  # what others made of its one face
    newcomer.write_photo(here / "photos/group.png")
    newcomer.write_photo(here / "party.jpg")
    newcomer.write_photo(here / "sharp_photos/group.png")
    own_method(home, here)
    newcomer.write_gfpgan(here / "GFPGANv1.4.pth")
    newcomer.write_esrgan(here / "x4plus.pth")


def readme(home: Path, here: Path) -> None:
    doors(home, here)
    shutil.rmtree(here / "mynet")  # which this page makes
    newcomer.write_finished(here / "restored/theirs", 128)
    newcomer.write_pairs(here / "DIR")
    newcomer.write_faces(here / "sharp", 512, 2)
    for path in (here / "sharp").iterdir():
        newcomer.copied(path, here / "faces" / path.name)
    newcomer.write_photo(here / "photos/group.png")
    newcomer.write_gfpgan(here / "GFPGANv1.4.pth")


def tagged(home: Path, here: Path) -> None:
    """An edit between two runs, as the page on earlier results has it."""
    assert main(["run", "--methods", "./mynet", "--tag", "before", "--no-report"]) == 0
    edited(home, here)
    assert main(["run", "--methods", "./mynet", "--tag", "after", "--no-report"]) == 0


def faces(home: Path, here: Path) -> None:
    helen(home, here)
    newcomer.write_faces(home / "faces", 144, 24)
    newcomer.write_faces(home / "ffhq", 512, 4)


QUICK = {
    "index.md": Page(helen, made=("results/index.html", "comparison.pdf")),
    "gfpgan.md": Page(before={'facesr-bench validate "images:': gfpgans_pictures}),
    "history.md": Page(own_method, before={"# edit mynet": edited}),
    "json.md": Page(),
}
SHORT = "--steps 2 --set batch_size=2 --set validate_every=2 --set save_every=2"
"""A training of seconds."""
SLOW = {
    "paper.md": Page(
        paper,
        left_out={FETCHES: "the networks are there already"},
        made=(
            *("study.toml", "table.tex", "references.bib", "protocols.tex", "small.tex", "comparison.pdf", "mynet.tar"),
            *("tradeoff.pdf", "distribution.pdf", "heatmap.pdf", "attention.pdf", "site/index.html"),
        ),
    ),
    "methods.md": Page(
        doors,
        instead={
            "lpips@squeeze=squeezenet1_1.pth,identity@mobilefacenet-ms1m=mobilefacenet.onnx,nme-dlib": "nme-dlib",
        },
        made=("sparnet.onnx", "sparnet-int8.onnx"),
    ),
    "blind.md": Page(
        blind,
        left_out={
            FETCHES: "the networks are there already",
            "facesr-bench weights import yunet": "a detector that is not here",
            "facesr-bench weights import adaface": "a network that is not here",
            "cp face_alignment": "NTIRE's table is not here; test_realworld writes one of its form",
            "facesr-bench run --methods input,images:restored --protocols realworld-ntire": "nor are its pictures",
        },
        instead={
            " --detector yunet": " --detector dlib",
            "input,gfpgan,": "input,GFPGAN=spandrel:GFPGANv1.4.pth,",  # a hash of theirs that no other file has
            "restore gfpgan": "restore spandrel:GFPGANv1.4.pth",
            "--background realesrgan": "--background spandrel:x4plus.pth",
        },
        status={"facesr-bench doctor celeba-test-gfpgan": 1},
    ),
    "training.md": Page(
        faces,
        instead={
            "--data ~/faces --out runs/sparnet --precision": f"--data ~/faces --out runs/bf16 {SHORT} --precision",
            "--data ~/faces --out runs/sparnet": f"--data ~/faces --out runs/sparnet {SHORT}",
            "python -m": f"{shlex.quote(sys.executable)} -m",
            "--devices 4 --set batch_size=16": "--devices 1 --steps 1 --set batch_size=1 --set perceptual=0",
        },
    ),
    "scale.md": Page(
        left_out={"facesr-bench run --methods sparnet --device cuda": "there may be no GPU"},
        instead={
            " --executor ray --address auto --workers 24": " --executor ray --workers 2",
            "--workers 8": "--workers 2",
        },
    ),
    "README.md": Page(
        readme,
        before={"facesr-bench compare before after": tagged},
        instead={"restore gfpgan": "restore spandrel:GFPGANv1.4.pth"},
        status={"facesr-bench doctor celeba-test-gfpgan": 1},
    ),
}


def lines_of(page: str) -> list[str]:
    """Every line of shell of a page, a line that goes on as one; comments that stand alone too."""
    path = ROOT / page if page == "README.md" else ROOT / "docs" / page
    blocks = re.findall(r"^```bash\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    joined = "".join(blocks).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip()]


def follow(name: str, page: Page, home: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run a page's lines."""
    page.prepare(home, here)
    used = set()
    for written in lines_of(name):
        for beginning, prepare in page.before.items():
            if written.startswith(beginning):
                prepare(home, here)
        left_out = [beginning for beginning in page.left_out if written.startswith(beginning)]
        used |= set(left_out)
        line = "&&".join(part for part in written.split("&&") if not part.strip().startswith(INSTALLS)).strip()
        line = line.removeprefix(".venv/bin/")
        if left_out or not line or line.startswith(("#", "python -m pytest")):
            continue
        for part, other in page.instead.items():
            used |= {part} if part in line else set()
            line = line.replace(part, other)
        expected = next((status for beginning, status in page.status.items() if line.startswith(beginning)), 0)
        capsys.readouterr()
        status, said = run(line, capsys)
        assert status == expected, f"{name}: {line}: exit status {status}\n{said}"
    assert used == {*page.left_out, *page.instead}, "what is said otherwise is not in the page any more"
    for path in page.made:
        assert Path(path).is_file(), path


def run(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """A line of shell: its exit status, and what it said."""
    if line.startswith("facesr-bench ") and not re.search(r"[|;&<>$*]", line):
        words = [os.path.expanduser(word) for word in shlex.split(line, comments=True)[1:]]  # noqa: PTH111
        try:
            status = main(words)
        except SystemExit as end:
            status = int(str(end.code))
        return status, "".join(capsys.readouterr())
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and the program in the path."""
    folder, here = tmp_path / "home", tmp_path / "here"
    folder.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "FACESR_BENCH_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    return folder


@pytest.mark.parametrize("page", QUICK)
def test_a_page_can_be_followed(page: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    follow(page, QUICK[page], home, Path.cwd(), capsys)


@pytest.mark.full
@pytest.mark.parametrize("page", SLOW)
def test_a_long_page_can_be_followed(page: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("dlib")
    follow(page, SLOW[page], home, Path.cwd(), capsys)


def test_every_page_with_shell_is_followed_here_or_elsewhere() -> None:
    elsewhere = {
        "bundles.md",  # integration/bundles/test_packing.py
        "ci.md",  # test_ci_docs.py
        "network.md",  # training/test_docs_network.py
        "result-archives.md",  # archives of others, that nobody may pass on: test_docs_commands.py reads its lines
    }
    pages = {path.name for path in (ROOT / "docs").glob("*.md") if lines_of(path.name)}
    assert pages | {"README.md"} == {*QUICK, *SLOW, *elsewhere}
