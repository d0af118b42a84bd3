"""`hf:owner/repo/file`: through huggingface_hub, from a hub on this machine (HF_ENDPOINT)."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from facesr_bench.base.errors import CardError, PluginError, WeightsError
from facesr_bench.cli import main
from facesr_bench.plugins.cards import WeightsCard, validate
from facesr_bench.plugins.registry import methods
from facesr_bench.plugins.spec import parse_method
from facesr_bench.weights import resolve_method, store
from facesr_bench.weights.catalogue import Entry, entries, find
from facesr_bench.weights.fetching import fetch
from facesr_bench.weights.hub import HubFile

pytest.importorskip("huggingface_hub")

COMMIT, LATER = "a" * 40, "b" * 40
BODY = bytes(range(256)) * 40


class Hub:
    """One repository, `owner/net`, with one file in two commits."""

    def __init__(self) -> None:
        self.files = {COMMIT: BODY, LATER: BODY[::-1]}
        self.main = COMMIT
        self.asked: list[str] = []


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    there = Hub()

    class Handler(BaseHTTPRequestHandler):
        def answer(self, body: bool) -> None:
            there.asked.append(f"{self.command} {self.path}")
            _, owner, repo, resolve, revision, *file = self.path.split("/")
            commit = there.main if revision == "main" else revision
            if (owner, repo, resolve, file) != ("owner", "net", "resolve", ["sub", "net.pth"]):
                self.send_error(404)
                return
            content = there.files.get(commit)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def do_HEAD(self) -> None:
            self.answer(False)

        def do_GET(self) -> None:
            self.answer(True)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FACESR_BENCH_OFFLINE", raising=False)
    yield there
    server.shutdown()


def test_a_file_is_fetched_once_and_the_commit_it_came_from_is_pinned(hub: Hub) -> None:
    entry = find("hf:owner/net/sub/net.pth")
    arrival = fetch(entry)
    assert (arrival.how, entry.path.read_bytes()) == ("fetched", BODY)
    assert store.pins()[entry.name].source == f"hf:owner/net/sub/net.pth@{COMMIT}"
    asked = len(hub.asked)
    hub.main = LATER
    assert fetch(entry).how == "here"
    assert len(hub.asked) == asked
    entry.path.unlink()
    with pytest.raises(WeightsError, match="pinned on first use"):
        fetch(entry)
    assert [p.name for p in entry.path.parent.iterdir() if p.is_dir()] == []


def test_a_revision_is_what_is_asked_for(hub: Hub) -> None:
    entry = find(f"hf:owner/net/sub/net.pth@{LATER}")
    fetch(entry)
    assert entry.path.read_bytes() == BODY[::-1]
    assert all(LATER in line for line in hub.asked)


def test_a_file_that_is_not_the_one_its_card_names_is_refused(hub: Hub, tmp_path: Path) -> None:
    entry = Entry("net@x", tmp_path / "net.pth", "", "", (f"hf:owner/net/sub/net.pth@{COMMIT}",), sha256="0" * 64)
    with pytest.raises(WeightsError, match="expected 0000"):
        fetch(entry)
    assert not entry.path.exists()


def test_a_method_runs_with_a_file_of_the_hub_once_it_is_here(hub: Hub) -> None:
    plugin = methods().get("srcnn")
    with pytest.raises(WeightsError, match=r"weights fetch hf:owner/net/sub/net\.pth"):
        resolve_method(plugin, "hf:owner/net/sub/net.pth")
    assert main(["weights", "fetch", "hf:owner/net/sub/net.pth"]) == 0
    found = resolve_method(plugin, "hf:owner/net/sub/net.pth")
    assert found is not None
    assert (found.path.read_bytes(), found.sha256) == (BODY, hashlib.sha256(BODY).hexdigest())


@pytest.mark.parametrize("name", ["hf:owner/net/other.pth", f"hf:owner/net/sub/net.pth@{'c' * 40}"])
def test_what_the_hub_does_not_have_says_so(name: str, hub: Hub) -> None:
    with pytest.raises(WeightsError, match="not fetched"):
        fetch(find(name))


@pytest.mark.parametrize("name", ["hf:owner", "hf:owner/net", "hf:owner/net/../../x", "hf:/etc/passwd", "hf:a/b/c d"])
def test_a_name_that_is_no_file_of_the_hub_says_what_is_expected(name: str) -> None:
    with pytest.raises(WeightsError, match="hf:owner/repo/path/to/file"):
        HubFile.parse(name)


def test_a_card_must_pin_a_file_of_the_hub(tmp_path: Path) -> None:
    said = {"licence": "MIT", "training_data": "", "url": "hf:owner/net/net.pth"}
    with pytest.raises(CardError, match="needs a commit"):
        validate(WeightsCard, said, tmp_path / "card.toml")
    validate(WeightsCard, {**said, "url": f"{said['url']}@{COMMIT}"}, tmp_path / "card.toml")
    validate(WeightsCard, {**said, "sha256": "0" * 64}, tmp_path / "card.toml")


# -- licences ---------------------------------------------------------------------------------------------------------

CARD = """
schema_version = 1
kind = "method"
name = "theirs"
title = "Theirs"
summary = ""
input = "lr"
licence = ""
default_weights = "v1"
[weights.v1]
url = "hf:owner/net/sub/net.pth@{commit}"
licence = "research only, says its page"
non_commercial = true
training_data = "faces"
sha256 = "{sha256}"
sha256_by = "third parties"
"""


@pytest.fixture
def theirs(tmp_path: Path) -> str:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "method.py").write_text("")
    (folder / "card.toml").write_text(CARD.format(commit=COMMIT, sha256=hashlib.sha256(BODY).hexdigest()))
    return f"{folder}@v1"


class Terminal:
    def __init__(self, answer: str) -> None:
        self.answer = answer

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self.answer


def test_a_licence_that_forbids_commercial_use_is_shown_before_the_first_fetch(
    hub: Hub, theirs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "fetch", theirs]) == 1
    said = capsys.readouterr().err
    assert "research only, says its page" in said
    assert "--accept-licence" in said
    assert hub.asked == []
    assert main(["weights", "fetch", "--accept-licence", theirs]) == 0
    assert "sha256 as third parties state it, pinned on first use" in capsys.readouterr().out
    assert main(["weights", "fetch", theirs]) == 0, "what is here needs no question"


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("\n", 1), ("no\n", 1)])
def test_at_a_terminal_it_is_asked(
    answer: str, status: int, hub: Hub, theirs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert main(["weights", "fetch", theirs]) == status
    assert bool(hub.asked) is (status == 0)


def test_the_named_baselines_have_a_paper_a_licence_and_a_source() -> None:
    known = {"gfpgan", "restoreformer", "codeformer", "swinir", "realesrgan", "hat"}
    for name in known:
        card = methods().get(name).require_card()
        assert card.paper is not None
        assert card.paper.bibtex.startswith("@inproceedings")
        assert all(weights.url and weights.licence and weights.source for weights in card.weights.values())
        assert all(weights.sha256_by for weights in card.weights.values() if weights.sha256)
    gfpgan = methods().get("gfpgan").require_card()
    assert set(gfpgan.weights) == {"v1.2", "v1.3", "v1.4"}
    assert (gfpgan.deterministic, gfpgan.seed, gfpgan.needs_ffhq_alignment) == (False, 0, True)
    assert "seed of each image's own" in gfpgan.summary
    assert all(weights.non_commercial for weights in gfpgan.weights.values())


def test_every_licence_that_names_non_commercial_use_is_asked_about() -> None:
    found = {entry.name: entry for entry in entries()}
    words = re.compile(r"non-?commercial|\bNC\b|not for commercial", re.IGNORECASE)
    silent = [name for name, entry in found.items() if words.search(entry.licence) and not entry.non_commercial]
    assert silent == []
    for name in (
        "sparnet@official",
        "sparnethd@official",
        "arcface",
        "arcface-mbf",
        "scrfd",
        "pyiqa-niqe",
        "pyiqa-musiq",
    ):
        assert found[name].non_commercial, name
    assert not found["lpips-alex"].non_commercial


@pytest.mark.parametrize("name", ["arcface", "pyiqa-niqe", "sparnet@official"])
def test_the_licence_of_an_evaluator_is_shown_before_a_first_fetch_too(
    name: str, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "fetch", name]) == 1
    said = capsys.readouterr().err
    assert f"{name}: licence: {find(name).licence}" in said
    assert f"{name}: not fetched; if you accept this licence, say so: --accept-licence" in said


@pytest.mark.parametrize("method", ["onnx", "spandrel"])
def test_a_file_of_the_hub_as_an_argument_is_told_the_way(method: str, hub: Hub, tmp_path: Path) -> None:
    file = f"hf:owner/net/sub/net.pth@{COMMIT}"
    with pytest.raises(PluginError) as error:
        parse_method(f"{method}:{file}")
    assert f"facesr-bench weights fetch {file}\n" in str(error.value)
    assert f'--methods {method}:"$(facesr-bench weights path {file})"' in str(error.value)
    with pytest.raises(PluginError, match=r"net\.pth@COMMIT"):
        parse_method(f"{method}:hf:owner/net/sub/net.pth")


def test_the_way_that_is_told_for_a_file_of_the_hub_leads_there(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    file = f"hf:owner/net/sub/net.pth@{COMMIT}"
    assert main(["weights", "fetch", file]) == 0
    capsys.readouterr()
    assert main(["weights", "path", file]) == 0
    assert Path(capsys.readouterr().out.strip()).read_bytes() == BODY
