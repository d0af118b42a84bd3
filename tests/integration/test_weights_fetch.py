"""Fetching over real HTTP from a server on the loopback that truncates, stalls, lies, and recovers."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from facesr_bench.base.errors import WeightsError
from facesr_bench.cli import main
from facesr_bench.plugins import registry
from facesr_bench.weights import require, store
from facesr_bench.weights.catalogue import Entry
from facesr_bench.weights.download import CHUNK, Transfer
from facesr_bench.weights.fetching import Options, fetch
from tests.weights_server import Answer, Server, running

ROOT = Path(__file__).resolve().parents[2]
SIZE = 300_000
BODY = random.Random(1).randbytes(SIZE)
OTHER = random.Random(2).randbytes(SIZE)


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as started:
        yield started


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))
    # Where there is a network, no test may reach out to it: everything but the loopback goes to a port that is closed.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("FACESR_BENCH_MIRROR", "FACESR_BENCH_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache" / "weights"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(cache: Path, *urls: str, body: bytes | None = BODY, **more: object) -> Entry:
    """An entry whose hash is that of `body` (none: no hash is published)."""
    known = {"sha256": sha256(body)} if body is not None else {}
    fields = {"purpose": "", "licence": "", **known, **more}
    return Entry("net", cache / "_evaluators" / "net.pth", urls=urls, **fields)  # type: ignore[arg-type]


def quick(on_message: Callable[[str], None] = lambda _line: None) -> Options:
    """Impatient options with their own list of unreachable hosts."""
    transfer = Transfer(timeout=0.5, attempts=3, backoff=0.01)
    return Options(transfer=transfer, lock_seconds=0.2, on_message=on_message)


def leftovers(cache: Path) -> list[str]:
    """Everything beside the file itself, lock files and records."""
    folder = cache / "_evaluators"
    return sorted(p.name for p in folder.iterdir() if p.name != "net.pth" and p.suffix != ".lock")


# -- a good server -----------------------------------------------------------------------------------------------------


def test_fetch_then_here(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY)), size=SIZE)
    arrival = fetch(wanted, quick())
    assert (arrival.how, arrival.status.verdict) == ("fetched", "verified")
    assert wanted.path.read_bytes() == BODY and leftovers(cache) == []
    assert fetch(wanted, quick()).how == "here"
    assert len(server.requests) == 1


def test_chunked_answers_need_no_length(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, chunked=True)), body=None)
    assert fetch(wanted, quick()).status.verdict == "pinned"
    assert wanted.path.read_bytes() == BODY


def test_a_redirect_is_followed(server: Server, cache: Path) -> None:
    real = server.serve("/real", Answer(BODY))
    url = server.serve("/net.pth", Answer(status=302, headers={"Location": real}))
    assert fetch(entry(cache, url), quick()).status.verdict == "verified"


# -- broken connections ------------------------------------------------------------------------------------------------


def test_a_truncated_transfer_goes_on_where_it_stopped(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, cut=200_000), Answer(BODY)))
    fetch(wanted, quick())
    assert wanted.path.read_bytes() == BODY
    first, second = server.requests
    assert second.range is not None and second.if_range == '"one"'
    start = int(second.range.removeprefix("bytes=").removesuffix("-"))
    assert 200_000 - CHUNK <= start <= 200_000, "what had arrived was not used"
    assert (first.sent, second.sent) == (200_000, SIZE - start)


def test_without_range_support_it_starts_again(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, cut=200_000), Answer(BODY, ranges=False)))
    fetch(wanted, quick())
    assert wanted.path.read_bytes() == BODY
    assert [request.sent for request in server.requests] == [200_000, SIZE]


def test_a_stalled_transfer_times_out_and_goes_on(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, stall=200_000), Answer(BODY)))
    started = time.monotonic()
    fetch(wanted, quick())
    assert wanted.path.read_bytes() == BODY
    assert server.requests[1].range is not None
    assert time.monotonic() - started < 10


def test_a_server_that_only_stalls_is_given_up(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, stall=0)))
    with pytest.raises(WeightsError, match=r"nothing came for 0\.5 s \(tried 3 times\)"):
        fetch(wanted, quick())
    assert not wanted.path.exists()


def test_a_server_that_always_truncates_is_given_up_and_the_rest_kept(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, cut=200_000, ranges=False)))
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1.*(broke off|ended) after \d+ of 300000 bytes"):
        fetch(wanted, quick())
    assert leftovers(cache) == ["net.pth.partial", "net.pth.partial.json"]
    server.serve("/net.pth", Answer(BODY))
    fetch(wanted, quick())
    assert server.requests[-1].sent < SIZE and leftovers(cache) == []


def test_of_an_unhashed_file_only_the_same_version_is_continued(server: Server, cache: Path) -> None:
    changed = Answer(OTHER, etag='"two"')
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, cut=200_000), changed), body=None)
    fetch(wanted, quick())
    assert wanted.path.read_bytes() == OTHER

    nameless = entry(
        cache, server.serve("/b.pth", Answer(BODY, cut=200_000, etag=""), Answer(BODY, etag="")), body=None
    )
    wanted.path.unlink()
    store.pins_path().unlink()
    fetch(nameless, quick())
    assert server.requests[-1].range is None, "nothing says that the rest belongs to the same file"


def test_a_mixture_of_two_versions_is_fetched_again_whole(server: Server, cache: Path) -> None:
    new_tail = Answer(BODY, ignore_if_range=True)
    wanted = entry(cache, server.serve("/net.pth", Answer(OTHER, cut=200_000), new_tail, Answer(BODY)))
    fetch(wanted, quick())
    assert wanted.path.read_bytes() == BODY
    assert [request.range is None for request in server.requests] == [True, False, True]
    assert leftovers(cache) == [], "our own mixture is no evidence against the server"


def test_a_range_that_is_not_there_starts_again(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY)))
    partial = wanted.path.with_name("net.pth.partial")
    partial.parent.mkdir(parents=True)
    partial.write_bytes(BODY + b"more")
    note = {"url": wanted.urls[0], "validator": '"one"', "total": None}
    partial.with_name("net.pth.partial.json").write_text(json.dumps(note))
    fetch(wanted, quick())
    assert wanted.path.read_bytes() == BODY and len(server.requests) == 2


# -- lies --------------------------------------------------------------------------------------------------------------


def test_a_length_too_large(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, length=SIZE + 10, ranges=False)))
    with pytest.raises(WeightsError, match="of 300010 bytes"):
        fetch(wanted, quick())
    assert not wanted.path.exists()


def test_a_length_too_small_makes_a_wrong_file(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, length=SIZE - 10)))
    with pytest.raises(WeightsError, match="its sha256 is"):
        fetch(wanted, quick())
    assert not wanted.path.exists()


def test_another_length_than_published_is_refused_before_the_transfer(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY)), size=SIZE + 1)
    with pytest.raises(WeightsError, match="announces 300000 bytes, but the file has 300001"):
        fetch(wanted, quick())
    assert leftovers(cache) == []


def test_no_length_and_nothing_to_check_by(server: Server, cache: Path) -> None:
    url = server.serve("/net.pth", Answer(BODY, length=-1))
    with pytest.raises(WeightsError, match="does not say how long"):
        fetch(entry(cache, url, body=None), quick())
    assert fetch(entry(cache, url), quick()).status.verdict == "verified"


def test_more_bytes_than_the_published_size(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, chunked=True)), size=1000)
    with pytest.raises(WeightsError, match="more than the 1000 bytes"):
        fetch(wanted, quick())
    assert not wanted.path.exists()


def test_a_wrong_file_is_refused_and_kept_aside(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(OTHER)))
    with pytest.raises(WeightsError) as error:
        fetch(wanted, quick())
    aside = f"net.pth.rejected-{sha256(OTHER)[:8]}"
    for part in (sha256(OTHER), f"expected {sha256(BODY)}", aside):
        assert part in str(error.value)
    assert leftovers(cache) == [aside]
    assert (wanted.path.with_name(aside)).read_bytes() == OTHER


def test_a_wrong_prefix_is_refused(server: Server, cache: Path) -> None:
    url = server.serve("/net.pth", Answer(BODY))
    with pytest.raises(WeightsError, match=r"expected 0123abcd\.\.\."):
        fetch(entry(cache, url, body=None, sha256_prefix="0123abcd"), quick())
    right = entry(cache, url, body=None, sha256_prefix=sha256(BODY)[:8])
    assert fetch(right, quick()).status.verdict == "pinned"


@pytest.mark.parametrize("body", [b"<!doctype html><p>Sign in", b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_page_instead_of_an_unhashed_file(server: Server, cache: Path, body: bytes) -> None:
    url = server.serve("/net.pth", Answer(body))
    with pytest.raises(WeightsError, match=r"it is (a text|empty)"):
        fetch(entry(cache, url, body=None), quick())
    assert store.pins() == {}


def test_a_web_page_is_recognised_by_its_type(server: Server, cache: Path) -> None:
    url = server.serve("/net.pth", Answer(BODY, headers={"Content-Type": "text/html; charset=utf-8"}))
    with pytest.raises(WeightsError, match="a web page, not with the file"):
        fetch(entry(cache, url), quick())


# -- statuses ----------------------------------------------------------------------------------------------------------


def test_404_is_not_tried_again(server: Server, cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"^net: not fetched: 127\.0\.0\.1:\d+ answers 404 Not Found$"):
        fetch(entry(cache, server.url + "/gone.pth"), quick())
    assert len(server.requests) == 1


def test_503_is_tried_again_until_it_recovers(server: Server, cache: Path) -> None:
    busy = Answer(status=503, headers={"Retry-After": "0"})
    wanted = entry(cache, server.serve("/net.pth", busy, busy, Answer(BODY)))
    assert fetch(wanted, quick()).status.verdict == "verified"
    assert len(server.requests) == 3


def test_503_for_ever_is_given_up(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(status=503)))
    with pytest.raises(WeightsError, match=r"answers 503 Service Unavailable \(tried 3 times\)"):
        fetch(wanted, quick())
    assert len(server.requests) == 3


def test_the_server_says_how_long_to_wait(server: Server, cache: Path) -> None:
    busy = Answer(status=503, headers={"Retry-After": "1"})
    started = time.monotonic()
    fetch(entry(cache, server.serve("/net.pth", busy, Answer(BODY))), quick())
    assert time.monotonic() - started >= 1


def test_no_network_is_one_line_and_not_waited_for_twice(cache: Path) -> None:
    with running() as gone:
        pass
    wanted, options = entry(cache, gone.url + "/net.pth"), quick()
    for _ in range(2):
        with pytest.raises(WeightsError, match=r"^net: not fetched: 127\.0\.0\.1:\d+ can't be reached; elsewhere: .*$"):
            fetch(wanted, options)
    assert len(options.transfer.unreachable) == 1


# -- mirrors and several URLs ------------------------------------------------------------------------------------------


def test_the_mirror_comes_first(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = entry(cache, server.serve("/models/net.pth?v=1", Answer(BODY)))
    server.serve("/mirror/models/net.pth?v=1", Answer(BODY))
    monkeypatch.setenv("FACESR_BENCH_MIRROR", server.url + "/mirror/")
    assert fetch(wanted, quick()).origin == server.url + "/mirror/models/net.pth?v=1"
    assert [request.path for request in server.requests] == ["/mirror/models/net.pth?v=1"]


@pytest.mark.parametrize("mirrored", [Answer(status=404), Answer(OTHER)], ids=["missing", "wrong"])
def test_behind_a_useless_mirror_the_publisher_is_asked(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, mirrored: Answer
) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY)))
    server.serve("/mirror/net.pth", mirrored)
    monkeypatch.setenv("FACESR_BENCH_MIRROR", server.url + "/mirror")
    assert fetch(wanted, quick()).origin == server.url + "/net.pth"
    assert wanted.path.read_bytes() == BODY
    assert len(leftovers(cache)) == (1 if mirrored.body else 0), "a wrong file is kept aside, a missing one can't be"


def test_a_mirror_must_be_a_url(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESR_BENCH_MIRROR", "mirror.example")
    with pytest.raises(WeightsError, match="FACESR_BENCH_MIRROR must be a URL"):
        fetch(entry(cache, "http://127.0.0.1:1/net.pth"), quick())


def test_the_next_url_is_tried(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.url + "/gone.pth", server.serve("/net.pth", Answer(BODY)))
    assert fetch(wanted, quick()).origin.endswith("/net.pth")


# -- archives ----------------------------------------------------------------------------------------------------------


def zipped(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"pack/{name}.onnx", data)
    return stream.getvalue()


def member(cache: Path, name: str, url: str, body: bytes) -> Entry:
    path = cache / "_evaluators" / f"{name}.onnx"
    return Entry(name, path, "", "", (url,), f"{name}.onnx", len(body), sha256(body))


def test_one_download_brings_everything_known_in_the_zip(server: Server, cache: Path) -> None:
    url = server.serve("/pack.zip", Answer(zipped(a=BODY, b=OTHER, other=b"x"), cut=400_000), Answer(zipped(a=BODY)))
    server.answers["/pack.zip"][1] = Answer(zipped(a=BODY, b=OTHER, other=b"x"))
    first, second = member(cache, "a", url, BODY), member(cache, "b", url, OTHER)
    assert fetch(first, quick(), [first, second]).status.verdict == "verified"
    assert fetch(second, quick(), [first, second]).how == "here"
    assert sorted(p.name for p in (cache / "_evaluators").glob("[!.]*")) == ["a.onnx", "b.onnx"]
    assert len(server.requests) == 2 and server.requests[1].sent < 300_000, "the zip was not resumed"


def test_a_wrong_member_is_kept_aside(server: Server, cache: Path) -> None:
    wanted = member(cache, "a", server.serve("/pack.zip", Answer(zipped(a=OTHER))), BODY)
    with pytest.raises(WeightsError, match="expected " + sha256(BODY)):
        fetch(wanted, quick(), [wanted])
    assert [p.name for p in (cache / "_evaluators").glob("[!.]*")] == [f"a.onnx.rejected-{sha256(OTHER)[:8]}"]


def test_what_is_no_zip_is_kept_aside(server: Server, cache: Path) -> None:
    wanted = member(cache, "a", server.serve("/pack.zip", Answer(BODY)), BODY)
    with pytest.raises(WeightsError, match="not a zip archive"):
        fetch(wanted, quick(), [wanted])
    assert [p.name for p in (cache / "_evaluators").glob("[!.]*")] == [f"pack.zip.rejected-{sha256(BODY)[:8]}"]


# -- locks -------------------------------------------------------------------------------------------------------------


def test_a_lock_is_waited_for_but_not_for_ever(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY)))
    said: list[str] = []
    options = quick(said.append)
    with store.locked(wanted.path), pytest.raises(WeightsError, match="another process has been working on this file"):
        fetch(wanted, options)
    assert said == ["net: another process is fetching it; waiting for that"] and server.requests == []
    assert fetch(wanted, options).how == "fetched"


# -- the command line --------------------------------------------------------------------------------------------------


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
