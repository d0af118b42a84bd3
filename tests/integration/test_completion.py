"""The Tab key, pressed in a real bash."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("argcomplete")
if shutil.which("bash") is None:
    pytest.skip("no bash here", allow_module_level=True)

READY = "READY> "


class Bash:
    """An interactive shell in a terminal of its own."""

    def __init__(self, folder: Path) -> None:
        self.master, slave = pty.openpty()
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PS1": READY, "TERM": "dumb", "COLUMNS": "200", "HOME": str(folder)}
        command = ["bash", "--norc", "--noprofile", "-i"]
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=environment, start_new_session=True
        )
        os.close(slave)
        self.read(READY)

    def read(self, until: str, seconds: float = 60) -> str:
        """What is shown up to a text."""
        shown, end = "", time.monotonic() + seconds
        while until not in shown and time.monotonic() < end:
            if select.select([self.master], [], [], 0.2)[0]:
                shown += os.read(self.master, 65536).decode(errors="replace")
        assert until in shown, shown
        return shown

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def completed(self, line: str) -> str:
        """The line after one press of Tab: what bash would run then."""
        self.type(f"{line}\t")
        self.type("\x01echo '[\x05]'\r")  # home, `echo '[`, end, `]'`: the line is shown and not run
        found = re.findall(r"\n\[(.*)\]\r", self.read(f"]\r\n{READY}"))
        return str(found[-1])

    def offered(self, line: str) -> set[str]:
        """What two presses of Tab list: above the prompt, which is then shown again with the line."""
        self.type(f"{line}\t\t")
        shown = self.read(f"{READY}{line}")
        self.type("\x15echo over\r")
        self.read(f"over\r\n{READY}")
        return set(re.split(r"\s+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x07", "", shown)))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bash]:
    folder = tmp_path_factory.mktemp("completion")
    (folder / "mynet").mkdir()
    shell = Bash(folder)
    shell.type('eval "$(facesr-bench --completion bash)"\r')
    shell.read(READY)
    yield shell
    shell.close()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("facesr-bench tab", "facesr-bench table "),
        ("facesr-bench run --met", "facesr-bench run --met"),  # methods or metrics
        ("facesr-bench run --batch", "facesr-bench run --batch-size "),
        ("facesr-bench run --methods bicubic-m", "facesr-bench run --methods bicubic-matlab "),
        ("facesr-bench run --methods bicubic,srcn", "facesr-bench run --methods bicubic,srcnn"),
        ("facesr-bench run --methods sparnet@off", "facesr-bench run --methods sparnet@official "),
        ("facesr-bench run --methods ./my", "facesr-bench run --methods ./mynet/"),
        (
            "facesr-bench run --methods bicubic --protocols helen-d",
            "facesr-bench run --methods bicubic --protocols helen-dic-x8 ",
        ),
        ("facesr-bench run --metrics psnr,ss", "facesr-bench run --metrics psnr,ssim "),
        ("facesr-bench run --profile mmag", "facesr-bench run --profile mmagic-dic "),
        ("facesr-bench run --executor pro", "facesr-bench run --executor processes "),
        ("facesr-bench list prof", "facesr-bench list profiles "),
        ("facesr-bench figure heat", "facesr-bench figure heatmap "),
        ("facesr-bench weights fetch fid-i", "facesr-bench weights fetch fid-inception "),
    ],
)
def test_tab_completes(bash: Bash, typed: str, completed: str) -> None:
    assert bash.completed(typed) == completed


def test_two_tabs_list_what_there_is(bash: Bash) -> None:
    assert {"run", "score", "table", "figure", "weights"} <= bash.offered("facesr-bench ")
    assert {"sparnet", "sparnethd"} <= bash.offered("facesr-bench run --methods sparnet")
    assert {"--methods", "--metrics"} <= bash.offered("facesr-bench run --met")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_code(shell: str) -> None:
    command = [sys.executable, "-m", "facesr_bench", "--completion", shell]
    code = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "facesr-bench" in code and "_ARGCOMPLETE" in code
