"""A method in a process of its own: whatever it does to that process costs its own images alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.cli import main
from facesr_bench.evaluation import isolation
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.results.store import Result
from facesr_bench.results.summary import ResultSummary, summarise

from .conftest import HEAD, MakeMethod

NEAREST = "return functional.interpolate(lr, scale_factor=self.scale, mode='nearest')"


def asked(faces: Path, out: Path, *methods: str, **more: Any) -> RunRequest:
    more = {"isolate": True, "metrics": ("psnr", "ssim"), **more}
    return RunRequest(methods=methods, protocols=("folder-x8",), data={"folder-x8": faces}, out=out, **more)


def rows(faces: Path, out: Path, *methods: str, **more: Any) -> list[ResultSummary]:
    return summarise(runner.run(asked(faces, out, *methods, **more)).results)


def values(result: Result) -> dict[str, Any]:
    return {i: (row.metrics, row.versions, row.reasons, row.error) for i, row in result.rows().items()}


def test_a_row_is_that_of_this_process_to_the_last_bit(faces: Path, make_method: MakeMethod, tmp_path: Path) -> None:
    noise = make_method("noise", "return torch.rand(len(lr), 3, 64, 64).clamp(0, 1)")
    card = Path(noise, "card.toml")
    card.write_text(card.read_text() + "deterministic = false\nseed = 5\n")
    here = runner.run(asked(faces, tmp_path / "here", "bicubic", noise, isolate=False)).results
    apart = runner.run(asked(faces, tmp_path / "apart", "bicubic", noise)).results
    for one, other in zip(here, apart, strict=True):
        assert values(one) == values(other) and one.manifest.fingerprint == other.manifest.fingerprint
        for image_id in one.rows():
            assert one.sr_path(image_id).read_bytes() == other.sr_path(image_id).read_bytes()
        assert one.manifest.method.cost == other.manifest.method.cost
        assert all(row.ms is not None for row in other.rows().values())


def test_a_network_and_its_attention_maps_come_through(tmp_path: Path) -> None:
    """sparnet@bundled on the faces that ship with our dependencies: numbers, operations and maps of both ways."""
    request: dict[str, Any] = {"methods": ("sparnet",), "limit": 2, "metrics": ("psnr", "ssim"), "attention": 1}
    here = runner.run(RunRequest(**request, out=tmp_path / "here")).results[0]
    apart = runner.run(RunRequest(**request, out=tmp_path / "apart", timeout=300)).results[0]
    assert values(here) == values(apart)
    assert here.manifest.method.cost == apart.manifest.method.cost and here.manifest.method.cost.flops
    maps = [sorted(p.relative_to(r.folder) for p in r.folder.glob("attention/*/*.png")) for r in (here, apart)]
    assert maps[0] == maps[1] and len(maps[0]) >= 16
    assert all((here.folder / path).read_bytes() == (apart.folder / path).read_bytes() for path in maps[0])


KILL = """
import ctypes, os, sys
def die():
    {how}
"""
ON_FACE_2 = f"""
if any(abs(float(x.mean()) - {{mean}}) < 1e-6 for x in lr):
    die()
{NEAREST}
"""


def mean_of(faces: Path, image: str) -> float:
    """What the method sees as the mean of one image's LR."""
    import numpy as np
    import torch
    from PIL import Image

    small = Image.open(faces / f"{image}.png").resize((8, 8), Image.Resampling.BICUBIC)
    return float((torch.from_numpy(np.asarray(small)[None].copy()).permute(0, 3, 1, 2).float() / 255)[0].mean())


FULL = pytest.mark.full


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("os._exit(0)", "ended by itself with exit status 0 before it answered"),
        ("ctypes.string_at(0)", "was ended by SIGSEGV"),
        pytest.param(
            "print('out of luck', file=sys.stderr, flush=True); os._exit(7)",
            "exit status 7 before it answered; it said: out of luck",
            marks=FULL,
        ),
        pytest.param("os.kill(os.getpid(), 9)", "was ended by SIGKILL", marks=FULL),
        pytest.param("os.closerange(0, 64)", "its process", marks=FULL),
    ],
)
def test_each_image_that_ends_the_process_has_failed_and_the_others_go_on(
    how: str, said: str, faces: Path, make_method: MakeMethod, tmp_path: Path
) -> None:
    body = ON_FACE_2.format(mean=mean_of(faces, "face2"))
    bad = make_method("bad", body, head=KILL.format(how=how) + HEAD)
    row, nearest = rows(faces, tmp_path / "out", bad, "nearest")
    assert (row.n, nearest.n) == (4, 5)
    assert [image_id for image_id, _ in row.failures] == ["face2"] and said in row.failures[0][1]
    good = make_method("good", NEAREST)
    assert {i: v for i, v in values(rows(faces, tmp_path / "out", good)[0].result).items() if i != "face2"} == {
        i: v for i, v in values(row.result).items() if i != "face2"
    }


def test_a_method_that_hangs_is_ended_with_its_children(faces: Path, make_method: MakeMethod, tmp_path: Path) -> None:
    how = "import subprocess, time; c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    how += f"open({str(tmp_path / 'children')!r}, 'a').write(f'{{c.pid}} {{os.getpid()}}\\n'); time.sleep(600)"
    body = ON_FACE_2.format(mean=mean_of(faces, "face2"))
    hangs = make_method("hangs", body, head=KILL.format(how=how) + HEAD)
    row, nearest = rows(faces, tmp_path / "out", hangs, "nearest", isolate=False, timeout=5, batch_size=1)
    assert (row.n, nearest.n) == (4, 5)
    assert "gave no answer within 5 s, so it was ended" in row.failures[0][1]
    pids = [int(pid) for pid in (tmp_path / "children").read_text().split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(map(alive, pids)):
        time.sleep(0.05)
    assert not any(map(alive, pids))


def test_one_that_never_comes_back_is_given_up_after_three_images(
    faces: Path, make_method: MakeMethod, tmp_path: Path
) -> None:
    """At a minute each, a set of thousands would take days."""
    body = f"if float(lr.std()) > 0:\n    os._exit(9)\n{NEAREST}"
    bad = make_method("bad", body, head="import os\n" + HEAD)
    row, nearest = rows(faces, tmp_path / "out", bad, "nearest")
    assert (row.n, row.failed, nearest.n) == (0, 5, 5)
    said = dict(row.failures)
    assert [i for i, why in said.items() if why.startswith("its process ended by itself with exit status 9")] == [
        "face0",
        "face1",
        "face2",
    ]
    assert said["face3"] == said["face4"]
    assert said["face4"].startswith("not tried: each of the 3 images before it ended its process, which ended by")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("import os; os._exit(0)\n", "ended by itself with exit status 0 before it answered"),
        pytest.param("import time; time.sleep(600)\n", "gave no answer within 4 s", marks=FULL),
        pytest.param("raise KeyError('mine')\n", "import failed: KeyError", marks=FULL),
    ],
)
def test_a_module_that_can_not_be_imported_is_a_row_that_says_so(
    head: str, said: str, faces: Path, make_method: MakeMethod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "LOAD_SECONDS", 4 if "sleep" in head else 300)  # a busy machine needs more than 4
    bad = make_method("bad", NEAREST, head=head + HEAD)
    [row] = rows(faces, tmp_path / "out", bad, timeout=1)
    assert row.error is not None and said in row.error


STATE = """
import os, random, sys
import numpy
os.environ["TOUCHED"] = "yes"
os.chdir("/")
sys.path.insert(0, "/nowhere")
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
torch.backends.cudnn.deterministic = False
numpy.seterr(all="raise")
leak = globals().setdefault("LEAK", [])
leak.append(bytearray(64 * 2**20))
sys.stdout.write("hello\\n")
os.write(1, b"raw\\n")
return functional.interpolate(lr.float(), scale_factor=self.scale, mode="nearest")
"""


def test_what_it_changes_and_leaks_is_gone_with_it(
    faces: Path, make_method: MakeMethod, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import numpy as np
    import torch

    before = (Path.cwd(), list(sys.path), torch.get_default_dtype(), torch.get_num_threads(), np.geterr())
    memory = resident()
    row, other = rows(faces, tmp_path / "out", make_method("state", STATE), "nearest", batch_size=1)
    assert (row.n, other.n) == (5, 5) and values(row.result) == values(other.result)
    assert before == (Path.cwd(), list(sys.path), torch.get_default_dtype(), torch.get_num_threads(), np.geterr())
    assert "TOUCHED" not in os.environ and resident() - memory < 200 * 2**20
    assert "hello" not in capfd.readouterr().out
    log = (row.result.folder / "programs.log").read_text()
    assert log.count("hello") >= 5 and log.count("raw") >= 5, "what it prints is kept"


def resident() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


def test_the_command_line_counts_it_and_goes_on(
    faces: Path, make_method: MakeMethod, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = make_method("bad", "import os; os._exit(0)")
    command = ["run", "--methods", f"{bad},nearest", "--protocols", "folder-x8", "--data", f"folder-x8={faces}"]
    command += ["--limit", "2"]  # each image that ends its process costs a start of another
    status = main([*command, "--out", str(tmp_path / "out"), "--no-report", "--isolate", "--metrics", "psnr"])
    shown = capsys.readouterr()
    assert status == 1 and "nearest" in shown.out
    assert "exit status 0 before it answered" in " ".join(shown.err.split())


def test_nothing_is_left_where_the_run_is_killed(faces: Path, make_method: MakeMethod, tmp_path: Path) -> None:
    """SIGKILL leaves no time to end anything: the process of the method ends by itself."""
    body = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    slow = make_method("slow", f"{body}\n{NEAREST}")
    command = [*("run", "--methods", slow, "--protocols", "folder-x8", "--data", f"folder-x8={faces}"), "--isolate"]
    run = subprocess.Popen(
        [sys.executable, "-m", "facesr_bench", *command, "--out", str(tmp_path / "out"), "--metrics", "psnr"]
    )
    deadline = time.monotonic() + 120
    while not ((tmp_path / "pid").is_file() and (tmp_path / "pid").read_text()):
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.1)
    pid = int((tmp_path / "pid").read_text())
    assert alive(pid)
    run.kill()
    run.wait()
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), True, "soon"])
def test_a_timeout_is_a_number_of_seconds(value: Any, tmp_path: Path) -> None:
    with pytest.raises(FaceSRBenchError, match=r"timeout .* it must be a number of seconds, more than 0"):
        RunRequest(methods=("bicubic",), out=tmp_path, timeout=value)


def test_a_program_of_its_own_is_given_the_timeout(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "slow.toml").write_text(
        'command = ["{python}", "-c", "import time; time.sleep(600)", "{lr_dir}", "{sr_dir}"]\n'
    )
    [row] = rows(faces, tmp_path / "out", f"command:{tmp_path / 'slow.toml'}", limit=1, isolate=False, timeout=1)
    assert row.failures == (("face0", "no end after 1 s, so it was ended"),)
