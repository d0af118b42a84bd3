"""`facesr-bench weights`, as a user types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facesr_bench.base.errors import WeightsError
from facesr_bench.cli import main
from facesr_bench.plugins import registry
from facesr_bench.weights import require
from facesr_bench.weights.download import CHUNK
from tests.integration.weights.files import BODY, OTHER, SIZE, sha256
from tests.weights_server import Answer, Server

ROOT = Path(__file__).resolve().parents[3]


CARD = """
schema_version = 1
kind = "method"
name = "mine"
title = "Mine"
summary = "A method made by a test."
input = "lr"
licence = "Apache-2.0"
default_weights = "v1"

[weights.v1]
url = "{url}"
{hash}
licence = "CC0"
training_data = "none"
"""


@pytest.fixture
def mine(tmp_path: Path, server: Server) -> str:
    """`FOLDER@v1` of a plug-in whose weights are at the server's /net.pth, with their hash."""
    folder = tmp_path / "mine"
    folder.mkdir()
    url = server.serve("/net.pth", Answer(BODY))
    (folder / "card.toml").write_text(CARD.format(url=url, hash=f'sha256 = "{sha256(BODY)}"'))
    return f"{folder}@v1"


def command(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    whole = [sys.executable, "-m", "facesr_bench", "weights", *arguments]
    return subprocess.Popen(
        whole, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT.parent
    )


def test_the_way_of_a_user(mine: str, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "path", mine]) == 1
    assert f"needs weights `mine@v1`: facesr-bench weights fetch {mine}" in capsys.readouterr().err
    assert main(["weights", "fetch", mine]) == 0
    assert "sha256 verified" in capsys.readouterr().out
    assert main(["weights", "path", mine]) == 0
    path = cache / "mine" / "net.pth"
    assert capsys.readouterr().out == f"{path}\n"
    assert main(["weights", "verify", mine]) == 0
    assert "mine@v1: sha256 verified" in capsys.readouterr().out

    data, stamp = bytearray(path.read_bytes()), path.stat()
    data[SIZE // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # what a failing disk does
    assert main(["weights", "verify", mine]) == 1
    assert f"{sha256(bytes(data))}, expected {sha256(BODY)}" in capsys.readouterr().err
    assert main(["weights", "path", mine]) == 1
    assert "not the published file" in capsys.readouterr().err

    assert main(["weights", "fetch", mine]) == 0, "fetch mends it"
    assert path.read_bytes() == BODY
    assert path.with_name(f"net.pth.rejected-{sha256(bytes(data))[:8]}").is_file()
    assert main(["weights", "verify", mine]) == 0


def test_exit_statuses(
    mine: str, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["weights", "list"]) == 0
    listed = " ".join(capsys.readouterr().out.split())
    assert "arcface" in listed and "sparnet@official" in listed and "not here" in listed
    assert main(["weights", "fetch", "arcfac"]) == 2
    assert "did you mean 'arcface'" in capsys.readouterr().err
    assert main(["weights", "path", "arcfac"]) == 2
    for timeout in ("soon", "0", "nan"):
        with pytest.raises(SystemExit):
            main(["weights", "fetch", "arcface", "--timeout", timeout])
        assert f"{timeout}: must be seconds" in capsys.readouterr().err
    for name in ("sparnet", "sparnet@bundled"):
        assert main(["weights", "path", name]) == 0
        path = Path(capsys.readouterr().out.strip())
        assert path == registry.methods().get("sparnet").folder / "weights" / path.name and path.is_file()
    assert main(["weights", "fetch", "mine@v2"]) == 2
    assert main(["weights", "fetch", "bicubic"]) == 2
    assert "bicubic has no weights" in capsys.readouterr().err
    assert main(["weights", "verify", "arcface"]) == 1
    assert main(["weights", "import", str(tmp_path / "nothing.pth")]) == 1
    assert main(["weights", "fetch", "vqfr-arcface"]) == 1
    assert "weights import resnet18_110.pth" in capsys.readouterr().err
    with pytest.raises(SystemExit) as misuse:
        main(["weights", "fetch", "--timeout", "-1", "arcface"])
    assert misuse.value.code == 2
    capsys.readouterr()

    monkeypatch.setenv("FACESR_BENCH_OFFLINE", "1")
    assert main(["weights", "fetch", mine, "arcface", "--accept-licence"]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2 and all("FACESR_BENCH_OFFLINE forbids downloads" in line for line in lines)
    assert server.requests == []
    monkeypatch.delenv("FACESR_BENCH_OFFLINE")
    assert main(["weights", "fetch", mine, "vqfr-arcface"]) == 1, "one failed"
    monkeypatch.setenv("FACESR_BENCH_OFFLINE", "1")
    assert main(["weights", "fetch", mine]) == 0, "the other arrived all the same"


def test_pinned_on_first_use(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real entry of the catalogue for which no hash is published, from a mirror."""
    published = "/TencentARC/GFPGAN/releases/download/v0.1.0/arcface_resnet18.pth"
    server.serve(published, Answer(BODY))
    monkeypatch.setenv("FACESR_BENCH_MIRROR", server.url)
    assert main(["weights", "fetch", "gfpgan-arcface"]) == 0
    assert "no hash published, pinned on first use" in capsys.readouterr().out
    record = json.loads((cache / "pins.json").read_text())
    assert record["schema_version"] == 1
    assert record["pins"]["gfpgan-arcface"]["sha256"] == sha256(BODY)
    assert record["pins"]["gfpgan-arcface"]["source"] == server.url + published
    assert main(["weights", "list"]) == 0
    assert "pinned on first use" in " ".join(capsys.readouterr().out.split())

    path = require("gfpgan-arcface")
    path.unlink()
    server.serve(published, Answer(OTHER))
    assert main(["weights", "fetch", "gfpgan-arcface"]) == 1
    said = capsys.readouterr().err
    assert "was pinned on first use" in said and "rejected-" in said and "pins.json" in said
    assert not path.exists()

    path.write_bytes(OTHER)  # by hand
    with pytest.raises(WeightsError, match="was pinned on first use"):
        require("gfpgan-arcface")


def test_two_processes_download_once(mine: str, server: Server, cache: Path) -> None:
    server.serve("/net.pth", Answer(BODY, pace=3.0))
    both = [command("fetch", mine), command("fetch", mine)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert len(server.requests) == 1
    assert sorted("already here" in out for out, _ in said) == [False, True]
    assert (cache / "mine" / "net.pth").read_bytes() == BODY


def test_a_killed_download_goes_on(mine: str, server: Server, cache: Path) -> None:
    server.serve("/net.pth", Answer(BODY, stall=250_000), Answer(BODY))
    process = command("fetch", mine)
    partial = cache / "mine" / "net.pth.partial"
    deadline = time.monotonic() + 60
    while not (partial.is_file() and partial.stat().st_size >= 250_000 - CHUNK):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    arrived = partial.stat().st_size
    assert main(["weights", "fetch", mine]) == 0
    assert server.requests[1].range == f"bytes={arrived}-" and server.requests[1].sent == SIZE - arrived
    assert (cache / "mine" / "net.pth").read_bytes() == BODY


def test_a_run_says_how_to_get_a_methods_weights(mine: str) -> None:
    from facesr_bench.api import load_method

    with pytest.raises(WeightsError, match=r"facesr-bench weights fetch .*mine@v1"):
        load_method(mine)
