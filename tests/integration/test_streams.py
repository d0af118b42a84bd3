"""Standard output that is not UTF-8, full or closed, and text of strangers on its way there."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from facesr_bench.base.errors import DataError, MetricError, describe
from facesr_bench.base.text import csv_text, one_line, printable
from facesr_bench.cli import main
from facesr_bench.cli.streams import make_console
from facesr_bench.data import sources
from facesr_bench.functional.frechet import Gaussian

FULL = Path("/dev/full")


def facesr_bench(command: str) -> subprocess.CompletedProcess[bytes]:
    """A shell command in which `$F` is the command line."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "F": f"{sys.executable} -m facesr_bench"}
    return subprocess.run(["bash", "-c", command], capture_output=True, env=variables, check=False)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streams") / "r"
    run = ["run", "--methods", "nearest", "--limit", "1", "--metrics", "psnr", "--no-report", "--out", str(folder)]
    assert main(run) == 0
    return folder


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_a_stream_that_is_not_utf_8_gets_plain_signs(
    results: Path, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = ["run", "--methods", "nearest", "--limit", "1", "--metrics", "psnr", "--out", str(results)]
    for command in (again, ["table", "--results", str(results)], ["list", "protocols"]):
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
        assert main(command) == 0
        said = written.getvalue().decode(encoding)
        assert "list" in command or ("PSNR" in said and "^" in said)  # the arrow


def test_how_a_user_asked_for_it_stays(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", errors="ignore"))
    assert main(["table", "--results", str(results)]) == 0
    assert written.getvalue() and b"^" not in written.getvalue()


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_line(results: Path) -> None:
    done = facesr_bench(f"$F table --results {results} > /dev/full")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "facesr-bench: error: can't write what is printed: No space left on device"
    ]


@pytest.mark.parametrize("command", ["table --results {}", "--help"])
def test_a_closed_output_is_one_line(results: Path, command: str) -> None:
    done = facesr_bench(f"$F {command.format(results)} >&-")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "facesr-bench: error: standard output is closed: what was printed is lost"
    ]


def test_a_reader_that_leaves_early_is_no_error(results: Path) -> None:
    done = facesr_bench(f"$F table --results {results} | true; echo ${{PIPESTATUS[0]}}")
    assert done.stdout.split() == [b"0"] and not done.stderr


def test_a_misuse_with_everything_closed_keeps_its_status() -> None:
    assert facesr_bench("$F nonsense >&- 2>&-").returncode == 2


def test_escapes_are_taken_out() -> None:
    assert printable("\x1b[1;31mred\x1b[0m\n\tnext") == "red\n\tnext"
    assert printable("a\x1b]0;title\x07b\x9b2Jc\rd") == "a\ufffd]0;title\ufffdb\ufffd2Jc\ufffdd"
    assert one_line("a\udcff\n b") == "a\ufffd b"
    assert describe(ValueError("\x1b[31mno\x1b[0m \x1b[2J")) == "ValueError: no \ufffd[2J"


def test_no_escape_of_a_file_name_reaches_the_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side in ("sr", "hr"):
        (tmp_path / side).mkdir()
        Image.new("RGB", (32, 32), 90 if side == "sr" else 80).save(tmp_path / side / "good.png")
        (tmp_path / side / "bad\x1b[2J.png").write_bytes(b"no picture")
    assert main(["score", "--sr", str(tmp_path / "sr"), "--hr", str(tmp_path / "hr"), "--metrics", "psnr"]) == 1
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err and "bad\ufffd[2J" in said.err


def test_a_console_passes_its_own_escapes_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    make_console().print("[bold]ours[/] theirs\x1b]0;x\x07", highlight=False)
    said = capsys.readouterr().out
    assert "\x1b[1mours\x1b[0m" in said and "\x1b]" not in said and "\x07" not in said


def test_no_cell_of_a_csv_is_a_formula(tmp_path: Path) -> None:
    for side, level in (("sr", 90), ("hr", 80)):
        (tmp_path / side).mkdir()
        for name in ("=HYPERLINK(1)", "+1+1", "-1", "-x", "@SUM(1)", "plain"):
            Image.new("RGB", (32, 32), (level, 9, 9)).save(tmp_path / side / f"{name}.png")
    out = tmp_path / "scores.csv"
    folders = ["--sr", str(tmp_path / "sr"), "--hr", str(tmp_path / "hr")]
    assert main(["score", *folders, "--metrics", "psnr", "--out", str(out)]) == 0
    images = {row["image"] for row in csv.DictReader(io.StringIO(out.read_text(encoding="utf-8")))}
    assert images == {"'=HYPERLINK(1)", "'+1+1", "-1", "'-x", "'@SUM(1)", "plain"}
    assert csv_text("\t=1") == "'=1"


def test_score_says_where_infinity_comes_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side in ("sr", "hr"):
        (tmp_path / side).mkdir()
        for k, name in enumerate(("a", "b")):
            Image.new("RGB", (32, 32), (80 + k * (side == "sr"), 9, 9)).save(tmp_path / side / f"{name}.png")
    assert main(["score", "--sr", str(tmp_path / "sr"), "--hr", str(tmp_path / "hr"), "--metrics", "psnr"]) == 0
    said = capsys.readouterr().err
    assert "psnr: infinite on 1 of 2 images (a)" in said and "same folder" not in said
    assert main(["score", "--sr", str(tmp_path / "sr"), "--hr", str(tmp_path / "hr/../sr"), "--metrics", "psnr"]) == 0
    said = capsys.readouterr().err
    assert "infinite on 2 of 2 images (a, b)" in said and "--sr and --hr are the same folder" in said


def test_a_report_of_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--results", str(tmp_path)]) == 2
    assert f"{tmp_path}: no results; make some" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_file_of_statistics(tmp_path: Path) -> None:
    with pytest.raises(MetricError, match="a folder, where a file of statistics is expected"):
        Gaussian.from_file(tmp_path)


def test_a_config_file_with_a_bom_or_a_misspelt_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("FACESR_BENCH_DATA_HELEN", raising=False)
    (tmp_path / "d").mkdir()
    config = tmp_path / "facesr-bench.toml"
    config.write_bytes(b'\xef\xbb\xbf[data]\r\nhelen = "d"\r\n')
    assert sources.resolve("helen-x8", "helen", {}) == tmp_path / "d"
    config.write_text('[datas]\nhelen = "d"\n', encoding="utf-8")
    with pytest.raises(DataError, match="has 'datas', which is not read"):
        sources.open_dataset("helen-x8", {})


def test_standard_output_is_the_programs_alone_and_an_end_from_within_is_a_failure(tmp_path: Path) -> None:
    """A plug-in's prints, in Python and past it, spoil no table in a pipe; `os._exit(0)` is not exit status 0."""
    folder = tmp_path / "loud"
    folder.mkdir()
    (folder / "card.toml").write_text(
        'schema_version = 1\nkind = "method"\nname = "loud"\ntitle = "Loud"\nsummary = "Prints."\ninput = "lr"\n'
        'licence = "Apache-2.0"\n'
    )
    (folder / "method.py").write_text(
        "import os, sys, subprocess, warnings\nfrom torch.nn import functional\nfrom facesr_bench import MethodBase\n"
        "print('\\x1b]0;title\\x07from python')\nos.write(1, b'from C\\n')\nsubprocess.run(['echo', 'from a child'])\n"
        "warnings.warn('of the plug-in')\n\nclass Method(MethodBase):\n    def upscale(self, lr):\n"
        "        if 'LEAVE' in os.environ:\n            os._exit(0)\n"
        "        return functional.interpolate(lr, scale_factor=8)\n"
    )
    command = f"$F run --methods {folder} --limit 1 --metrics psnr --no-report --out {tmp_path / 'r'}"
    well = facesr_bench(command)
    assert well.returncode == 0, well.stderr
    said = well.stderr.decode()
    assert b"from" not in well.stdout and b"PSNR" in well.stdout
    assert all(words in said for words in ("from python", "from C", "from a child", "UserWarning: of the plug-in"))
    assert "\x1b]" not in said
    left = facesr_bench(f"LEAVE=1 {command} --resume never")
    assert left.returncode == 1 and b"ended from within" in left.stderr
