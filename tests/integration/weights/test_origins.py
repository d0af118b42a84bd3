"""Where a file may come from: mirrors, several URLs, a zip, and another process that is fetching it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from facesr_bench.base.errors import WeightsError
from facesr_bench.weights import store
from facesr_bench.weights.catalogue import Entry
from facesr_bench.weights.fetching import fetch
from tests.integration.weights.files import BODY, OTHER, entry, leftovers, quick, sha256
from tests.weights_server import Answer, Server

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
