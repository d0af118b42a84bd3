"""Which local file may be used: hashes, pins, and what is remembered of them."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from facesr_bench.base.errors import WeightsError
from facesr_bench.base.hashing import digest
from facesr_bench.weights import require, store
from facesr_bench.weights.catalogue import Entry, find

ONE, TWO = b"\x80one", b"\x80two"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path))
    return tmp_path / "weights"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put(entry: Entry, data: bytes) -> Entry:
    entry.path.parent.mkdir(parents=True, exist_ok=True)
    entry.path.write_bytes(data)
    return entry


def entry(cache: Path, **known: object) -> Entry:
    return Entry("net", cache / "net.pth", "", "", ("https://example.org/net.pth",), **known)  # type: ignore[arg-type]


def test_verdicts(cache: Path) -> None:
    assert store.check(entry(cache)).verdict == "missing"
    hashed = put(entry(cache, sha256=sha256(ONE)), ONE)
    assert store.check(hashed).verdict == "verified"
    assert store.check(entry(cache, sha256=sha256(TWO))).verdict == "wrong"
    assert store.check(entry(cache, sha256_prefix=sha256(ONE)[:8])).verdict == "unpinned"
    assert store.check(entry(cache, sha256_prefix=sha256(TWO)[:8])).verdict == "wrong"
    assert store.check(entry(cache, sha256=sha256(ONE), size=5)).problem == "it has 4 bytes, expected 5"
    assert store.check(entry(cache)).verdict == "unpinned" and store.pins() == {}, "looking changes nothing"


def test_first_use_pins(cache: Path) -> None:
    wanted = put(entry(cache), ONE)
    assert store.trust(wanted).verdict == "pinned"
    assert store.pins()["net"].sha256 == sha256(ONE) and store.pins()["net"].size == 4
    put(wanted, TWO)
    status = store.trust(wanted)
    assert status.verdict == "wrong"
    for part in (sha256(TWO), sha256(ONE), str(cache / "pins.json")):
        assert part in status.problem
    with pytest.raises(WeightsError, match="was pinned on first use"):
        store.pin(wanted, sha256(TWO), 4, "elsewhere")


@pytest.mark.parametrize("text", ["{", '{"schema_version": 2, "pins": {}}', '{"pins": {"net": {"sha256": "x"}}}'])
def test_damaged_pins_are_an_error(cache: Path, text: str) -> None:
    put(entry(cache), ONE)
    (cache / "pins.json").write_text(text)
    with pytest.raises(WeightsError, match=r"pins\.json: damaged, or written by another version"):
        store.trust(entry(cache))


def test_a_hash_is_remembered_by_size_and_time(cache: Path) -> None:
    wanted = put(entry(cache), ONE)
    assert digest(wanted.path) == sha256(ONE)
    stamp = wanted.path.stat()
    wanted.path.write_bytes(TWO)
    os.utime(wanted.path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert digest(wanted.path) == sha256(ONE), "same size and time: it was not read"
    assert digest(wanted.path, fresh=True) == sha256(TWO)
    assert digest(wanted.path) == sha256(TWO), "what was read is what is remembered"
    wanted.path.write_bytes(ONE)
    os.utime(wanted.path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    assert digest(wanted.path) == sha256(ONE)
    wanted.path.write_bytes(ONE + ONE)
    os.utime(wanted.path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    assert digest(wanted.path) == sha256(ONE + ONE)


@pytest.mark.parametrize("text", ["", "[]", '{"x": 1}', "\x00"])
def test_a_damaged_memory_costs_only_time(cache: Path, text: str) -> None:
    wanted = put(entry(cache), ONE)
    (cache / "hashes.json").write_text(text)
    assert digest(wanted.path) == sha256(ONE)
    assert isinstance(json.loads((cache / "hashes.json").read_text()), dict)


def test_require(cache: Path) -> None:
    with pytest.raises(WeightsError) as missing:
        require("arcface")
    assert str(missing.value) == "needs weights `arcface`: facesr-bench weights fetch arcface"
    with pytest.raises(WeightsError) as by_hand:
        require("vqfr-arcface")
    assert str(by_hand.value) == "needs weights `vqfr-arcface`: facesr-bench weights import resnet18_110.pth"
    put(find("arcface"), ONE)
    with pytest.raises(WeightsError, match=r"^weights `arcface`: .*w600k_r50\.onnx is not the published file: .*$"):
        require("arcface")
    put(find("gfpgan-arcface"), ONE)
    assert require("gfpgan-arcface").read_bytes() == ONE
    assert "gfpgan-arcface" in store.pins()


def test_a_methods_weights_are_pinned_too() -> None:
    from facesr_bench.plugins import registry
    from facesr_bench.weights import resolve_method

    sparnet = registry.methods().get("sparnet")
    put(find("sparnet@official"), ONE)
    found = resolve_method(sparnet, "official")
    assert found is not None and found.sha256 == sha256(ONE)
    put(find("sparnet@official"), TWO)
    with pytest.raises(WeightsError, match="was pinned on first use"):
        resolve_method(sparnet, "official")
