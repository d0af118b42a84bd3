"""External programs as a row, `command:FILE.toml`: started without a shell, ended as a group, told what they said."""

from __future__ import annotations

import os
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.report.tables.sheet import Options, make_sheet
from facesr_bench.results.leaderboard import groups
from facesr_bench.results.store import Result
from facesr_bench.results.summary import ResultSummary, summarise

LANCZOS = """
import sys
from pathlib import Path
from PIL import Image

lr_dir, sr_dir, scale = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
for path in sorted(lr_dir.iterdir()):
    picture = Image.open(path)
    size = picture.width * scale, picture.height * scale
    picture.resize(size, Image.Resampling.LANCZOS).save(sr_dir / path.name)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A script and its TOML file."""
    folder = tmp_path / "lanczos"
    folder.mkdir()
    write(folder, LANCZOS)
    return folder / "lanczos.toml"


def write(folder: Path, script: str, *more: str) -> None:
    (folder / "up.py").write_text(textwrap.dedent(script))
    command = 'command = ["{python}", "{here}/up.py", "{lr_dir}", "{sr_dir}", "{scale}"]'
    (folder / "lanczos.toml").write_text("\n".join([command, *more]) + "\n")


def asked(faces: Path, out: Path, *methods: str, **more: Any) -> RunRequest:
    return RunRequest(
        methods=methods, protocols=("folder-x8",), data={"folder-x8": faces}, out=out, metrics=("psnr", "ssim"), **more
    )


def row_of(faces: Path, out: Path, method: str, **more: Any) -> ResultSummary:
    return summarise(runner.run(asked(faces, out, method, **more)).results)[0]


def values(result: Result) -> dict[str, Any]:
    return {image_id: (row.metrics, row.versions, row.reasons) for image_id, row in result.rows().items()}


def test_a_program_makes_the_row_that_the_same_method_makes_here(program: Path, faces: Path, tmp_path: Path) -> None:
    own = row_of(faces, tmp_path / "out", "lanczos")
    row = row_of(faces, tmp_path / "out", f"command:{program}")
    assert values(row.result) == values(own.result) and row.n == 5
    assert row.label == "command:lanczos.toml"
    assert any("fingerprint covers its TOML file and up.py" in note for note in row.notes())
    line = {line.label: line.costs for line in make_sheet(groups([row])[0], Options(), None).lines}[row.label]
    assert line[-1].endswith("(with start-up)")
    assert not (row.result.folder / "programs.log").exists(), "it said nothing"


def test_a_row_of_several_starts_is_that_of_one(program: Path, faces: Path, tmp_path: Path) -> None:
    one = row_of(faces, tmp_path / "out", f"command:{program}").result
    write(program.parent, LANCZOS, "block = 2", "timeout = 60", 'title = "Lanczos"')
    again = row_of(faces, tmp_path / "anew", f"command:{program}").result
    assert values(again) == values(one)
    assert again.manifest.fingerprint == one.manifest.fingerprint, "neither a block's size nor a title changes a number"
    write(program.parent, LANCZOS.replace("LANCZOS)", "BICUBIC)"))
    assert row_of(faces, tmp_path / "out", f"command:{program}").fingerprint != one.manifest.fingerprint


FAILS_ON_3 = """
import sys
from pathlib import Path
if list(Path(sys.argv[1]).glob("face3.png")):
    print("CUDA out of memory", file=sys.stderr)
    print("at line 7", file=sys.stderr)
    sys.exit(3)
"""


def test_a_failure_costs_the_image_that_causes_it_and_says_what_was_said(
    program: Path, faces: Path, tmp_path: Path
) -> None:
    write(program.parent, FAILS_ON_3 + LANCZOS)
    row = row_of(faces, tmp_path / "out", f"command:{program}")
    assert (row.n, row.failures) == (4, (("face3", "exit status 3; it said: CUDA out of memory | at line 7"),))
    log = (row.result.folder / "programs.log").read_text()
    assert log.count("CUDA out of memory") == 2, "in the block, and alone"


def test_a_program_that_always_fails_is_not_started_for_every_image(program: Path, faces: Path, tmp_path: Path) -> None:
    write(program.parent, "open('starts', 'a').write('x')\nraise SystemExit(1)\n")
    row = row_of(faces, tmp_path / "out", f"command:{program}")
    assert (row.n, row.failed) == (0, 5)
    assert (program.parent / "starts").read_text() == "xxxx", "the block, and three alone"
    assert row.failures[0][1] == "exit status 1" and "with the 3 images before" in row.failures[4][1]


def test_a_program_that_hangs_is_ended_with_its_children(program: Path, faces: Path, tmp_path: Path) -> None:
    write(
        program.parent,
        """
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open("child", "a").write(f"{child.pid}\\n")
        time.sleep(600)
        """,
        "timeout = 1",
    )
    before = time.monotonic()
    row = row_of(faces, tmp_path / "out", f"command:{program}", limit=1)
    assert time.monotonic() - before < 60
    assert row.failures == (("face0", "no end after 1 s, so it was ended"),)
    assert_gone(program.parent / "child")


def assert_gone(pids: Path) -> None:
    """Every process of a file's lines has ended, or soon will."""
    deadline = time.monotonic() + 20
    for pid in pids.read_text().split():
        while time.monotonic() < deadline and alive(int(pid)):
            time.sleep(0.05)
        assert not alive(int(pid))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


def test_children_that_a_program_leaves_are_ended(program: Path, faces: Path, tmp_path: Path) -> None:
    leave = """
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open("child", "a").write(f"{child.pid}\\n")
"""
    write(program.parent, LANCZOS + leave)
    assert row_of(faces, tmp_path / "out", f"command:{program}").n == 5
    assert_gone(program.parent / "child")


def test_nothing_goes_through_a_shell(program: Path, faces: Path, tmp_path: Path) -> None:
    shown = 'command = ["{python}", "{here}/up.py", "{lr_dir}", "{sr_dir}", "{scale}", "$(touch owned); `touch owned`"]'
    program.write_text(shown)
    (program.parent / "up.py").write_text(f"import sys\nprint(sys.argv[4])\n{LANCZOS}")
    row = row_of(faces, tmp_path / "out", f"command:{program}")
    assert row.n == 5 and not list(tmp_path.rglob("owned"))
    assert "$(touch owned); `touch owned`" in (row.result.folder / "programs.log").read_text()


def test_pictures_are_taken_as_those_of_a_folder_are(program: Path, faces: Path, tmp_path: Path) -> None:
    write(program.parent, LANCZOS.replace("path.name", "f'{path.stem}_out.png'"))
    row = row_of(faces, tmp_path / "out", f"command:{program}")
    assert row.n == 0 and "exit status 0, but no picture of it in {sr_dir}" in row.failures[0][1]
    write(program.parent, LANCZOS.replace("path.name", "f'{path.stem}_out.png'"), 'suffix = "_out"')
    assert row_of(faces, tmp_path / "out", f"command:{program}").n == 5
    write(program.parent, LANCZOS.replace("* scale", "* 2"))
    row = row_of(faces, tmp_path / "out", f"command:{program}")
    assert row.n == 0 and "is 16x16 px; expected 64x64" in row.failures[0][1]
    write(program.parent, LANCZOS.replace("size, Image", "(64, 64), Image"), 'input = "bicubic"')
    assert row_of(faces, tmp_path / "out", f"command:{program}").n == 5


RANDOM = """
import random, sys
from pathlib import Path
from PIL import Image
rng = random.Random(int(sys.argv[4]))
paths = list(Path(sys.argv[1]).iterdir())
assert len(paths) == 1
Image.new("RGB", (64, 64), (rng.randrange(256), 0, 0)).save(Path(sys.argv[2]) / paths[0].name)
"""


def test_a_random_program_gets_a_seed_of_each_image(program: Path, faces: Path, tmp_path: Path) -> None:
    (program.parent / "up.py").write_text(RANDOM)
    command = 'command = ["{python}", "up.py", "{lr_dir}", "{sr_dir}", "{scale}", "{seed}"]\ndeterministic = false\n'
    program.write_text(command)
    row = row_of(faces, tmp_path / "out", f"command:{program}")
    assert row.error is not None and "needs a seed" in row.error
    program.write_text(f"{command}seed = 0\n")
    first = row_of(faces, tmp_path / "a", f"command:{program}").result
    limited = row_of(faces, tmp_path / "b", f"command:{program}", limit=2).result
    assert len({str(row.metrics) for row in first.rows().values()}) == 5
    assert values(limited) == {image_id: values(first)[image_id] for image_id in limited.rows()}
    program.write_text(f"{command}seed = 1\n")
    assert values(row_of(faces, tmp_path / "c", f"command:{program}").result) != values(first)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('command = ["{python}", "{lr_dir}"]', "the command must have {sr_dir} in it"),
        ('command = ["{python}", "{lr_dir}", "{sr_dir}", "{sclae}"]', "{sclae} stands for nothing"),
        ('command = "python up.py"', "command"),
        ('command = ["nosuchprogram", "{lr_dir}", "{sr_dir}"]', "no program is called 'nosuchprogram'"),
        ('command = ["./missing", "{lr_dir}", "{sr_dir}"]', "no program is called './missing'"),
        ('command = ["{python}", "{lr_dir}", "{sr_dir}"]\nfiles = ["nope"]', "nope: no such file or folder"),
        ('command = ["{python}", "{lr_dir}", "{sr_dir}"]\nfiles = ["../x"]', "not below"),
        ('comand = ["{python}"]', "did you mean 'command'"),
    ],
)
def test_a_file_that_can_not_be_meant_says_why(text: str, said: str, program: Path, faces: Path) -> None:
    (program.parent.parent / "x").write_text("x")
    program.write_text(text)
    row = row_of(faces, program.parent / "out", f"command:{program}")
    assert row.error is not None and said in row.error


def test_variables_of_the_environment_are_given(program: Path, faces: Path, tmp_path: Path) -> None:
    write(program.parent, f"import os\nprint(os.environ['MODE'])\n{LANCZOS}", 'environment = { MODE = "x{scale}" }')
    row = row_of(faces, tmp_path / "out", f"command:{program}")
    assert row.n == 5 and "x8" in (row.result.folder / "programs.log").read_text()
