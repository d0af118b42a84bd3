"""Bundles of vandals by the hundred: refused in words, nothing written outside, no memory or time taken for a claim."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import random
import tarfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.cli import main
from facesr_bench.evaluation.verify import decode, open_bundle
from facesr_bench.results.arrays import write_array
from facesr_bench.results.bundle.archive import Archive
from facesr_bench.results.bundle.make import make
from facesr_bench.results.store import all_results
from tests.bundle_tools import Contents, changed, claimed_anew, with_lines
from tests.png_files import png
from tests.report_fixtures import manifest, scored, write_result

IDS = ["a", "b/c", "d e", "x" * 200]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("honest")
    rows = scored({name: {"psnr": 20.0 + place, "ssim": 0.5} for place, name in enumerate(IDS)})
    result = write_result(home / "results", manifest(total=len(IDS)), rows, pictures=True)
    for name in IDS:
        write_array(result.features_path("net", name), np.arange(8, dtype=np.float32))
    make([result], home / "honest.tar", decode, features=True)
    return home / "honest.tar"


def refused(path: Path) -> str:
    """Why a bundle is not intact; it is found out in no time."""
    started = time.perf_counter()
    with pytest.raises(ResultsError) as caught:
        open_bundle(path)
    assert time.perf_counter() - started < 20
    return str(caught.value)


def test_the_bundle_that_is_changed_here_is_intact(honest: Path) -> None:
    with open_bundle(honest).archive as archive:
        assert archive.id == archive.file_sha256


def member(name: str, data: bytes = b"", **fields: Any) -> bytes:
    """One member of a tar, whatever a header can say."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8") + data + bytes(-len(data) % 512)


LINKS: list[tuple[bytes, str]] = [
    (member("1/sr/a.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "is a link"),
    (member("1/sr", type=tarfile.SYMTYPE, linkname=".."), "is a link"),
    (member("1/sr/a.png", type=tarfile.LNKTYPE, linkname="bundle.json"), "is a hard link"),
    (member("1/sr/a.png", type=tarfile.CHRTYPE), "is a device"),
    (member("1/sr/a.png", type=tarfile.BLKTYPE), "is a device"),
    (member("1/sr/a.png", type=tarfile.FIFOTYPE), "is a pipe"),
    (member("1/sr/a.png", type=tarfile.GNUTYPE_SPARSE), "is a sparse file"),
    (member("1/sr/a.png", type=tarfile.CONTTYPE), "is no plain file"),
    (member("1/sr/a.png", type=b"9"), "is no plain file"),
    (member("1/sr/", b"x", type=tarfile.DIRTYPE), "is a folder with contents"),
    (member("../victim", b"x"), "which no bundle does"),
    (member("/etc/victim", b"x"), "which no bundle does"),
    (member("1/sr/../../../victim.png", b"x"), "which no bundle does"),
    (member("1/sr/..png", b"x"), ""),
    (member("1\\sr\\a.png", b"x"), "which no bundle does"),
    (member("1/sr/é.png", b"x"), ""),
    (member("1/sr/a.png\0/../../victim", b"x"), ""),
    (member("C:/victim", b"x"), "which no bundle does"),
    (member("1/method.py", b"raise SystemExit"), "which no bundle does"),
    (member("SHA256SUMS", b"x"), "holds SHA256SUMS twice"),
    (member("./bundle.json", b"{}"), "holds bundle.json twice"),
    (member("y" * 300, b"x"), "is a long name"),
    (member("pax", b"30 path=../../../../victim.txt\n", type=tarfile.XHDTYPE), "changes a file's path"),
    (member("pax", b"16 size=9999999\n", type=tarfile.XHDTYPE), "changes a file's size"),
    (member("pax", b"22 GNU.sparse.major=1\n", type=tarfile.XGLTYPE), "changes a file's GNU.sparse"),
    (member("pax", b"17 linkpath=/etc\n", type=tarfile.XHDTYPE), "changes a file's linkpath"),
    (member("pax", b"x" * 100_000, type=tarfile.XHDTYPE), "a header of 100000 bytes"),
    (member("1/sr/more.png", b"x"), "is not in SHA256SUMS"),
]


@pytest.mark.parametrize("number", range(len(LINKS)))
@pytest.mark.parametrize("place", ["first", "last"])
def test_what_no_bundle_holds_is_refused(honest: Path, tmp_path: Path, number: int, place: str) -> None:
    extra, said = LINKS[number]
    data = honest.read_bytes()
    end = len(data) - 1024
    (tmp_path / "x.tar").write_bytes(extra + data if place == "first" else data[:end] + extra + data[end:])
    assert said in refused(tmp_path / "x.tar")


def _with_size(header: bytes, size: bytes) -> bytes:
    block = bytearray(header)
    block[124:136] = size.rjust(12, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    "size", [b"77777777777\0", b"\x80" + (2**80).to_bytes(11, "big"), b"\xff" * 12, b"-0000000001\0", b"abc"]
)
def test_a_size_that_is_a_lie_takes_neither_memory_nor_time(honest: Path, tmp_path: Path, size: bytes) -> None:
    data = honest.read_bytes()
    (tmp_path / "x.tar").write_bytes(_with_size(data[:512], size) + data[512:])
    assert "not an intact bundle" in refused(tmp_path / "x.tar")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_nothing_is_decompressed(honest: Path, tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "x.tar").write_bytes(pack(bytes(1 << 22) + honest.read_bytes()))
    assert "compressed" in refused(tmp_path / "x.tar") or pack is zlib.compress


@pytest.mark.parametrize("behind", [b"\1", bytes(512) + b"hidden", bytes(2 << 20)])
def test_nothing_hides_behind_the_end(honest: Path, tmp_path: Path, behind: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(honest.read_bytes() + behind)
    assert "behind its end" in refused(tmp_path / "x.tar")


def _png(width: int, height: int, depth: int = 8) -> bytes:
    """A small file that claims a large picture."""
    return png(width, height, zlib.compress(bytes(1 << 20)), depth=depth)


def _npy(shape: tuple[int, ...], kind: str = "<f4", data: bytes = b"") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
    return stream.getvalue() + data


_DEEP = b"[" * 200_000 + b"]" * 200_000
_FEATURES = "1/features/net/a.npy"

VANDALS: dict[str, Callable[[Contents], None]] = {
    "a picture of 10 gigapixels": lambda files: files.update({"1/sr/a.png": _png(100_000, 100_000)}),
    "a picture of other size": lambda files: files.update({"1/sr/a.png": _png(64, 64)}),
    "a picture that is text": lambda files: files.update({"1/sr/a.png": b"%PDF-1.4"}),
    "a jpeg": lambda files: files.update({"1/sr/a.png": b"\xff\xd8\xff\xe0"}),
    "features of a terabyte": lambda files: files.update({_FEATURES: _npy((2**38,))}),
    "features of negative size": lambda files: files.update({_FEATURES: _npy((-1,))}),
    "features that are objects": lambda files: files.update({_FEATURES: _npy((1,), "|O", b"cos\nsystem\n")}),
    "features of code": lambda files: files.update({_FEATURES: b"\x93NUMPY\x01\0\x10\0__import__('os')"}),
    "features that are NaN": lambda files: files.update({_FEATURES: _npy((1,), data=b"\0\0\xc0\x7f")}),
    "deep json": lambda files: files.update({"bundle.json": _DEEP}),
    "a deep manifest": lambda files: files.update({"1/manifest.json": _DEEP}),
    "deep sets": lambda files: files.update({"1/sets.json": b'{"a":' * 9999 + b"{}" + b"}" * 9999}),
    "no json": lambda files: files.update({"bundle.json": b"\xff\xfe"}),
    "an empty index": lambda files: files.update({"bundle.json": b"{}"}),
    "an index of nothing": lambda files: files.update({"bundle.json": b"null"}),
    "a manifest of nothing": lambda files: files.update({"1/manifest.json": b"[]"}),
    "a result without manifest": lambda files: files.__delitem__("1/manifest.json"),
    "a picture that is missing": lambda files: files.__delitem__("1/sr/a.png"),
    "a picture too many": lambda files: files.update({"1/sr/z.png": files["1/sr/a.png"]}),
    "an id twice": lambda files: files.update({"1/images.jsonl": files["1/images.jsonl"] * 2}),
    "a NaN": lambda files: files.update({"1/images.jsonl": files["1/images.jsonl"].replace(b"20.0", b"NaN")}),
    "endless milliseconds": lambda files: files.update(
        {"1/images.jsonl": files["1/images.jsonl"].replace(b"2.5", b"1e999")}
    ),
    "a manifest of NaN": lambda files: files.update(
        {"1/manifest.json": files["1/manifest.json"].replace(b": 32,", b": NaN,")}
    ),
    "a line of an array": lambda files: files.update({"1/images.jsonl": b"[]\n"}),
    "a checksum twice": lambda files: None,
}


@pytest.mark.parametrize("what", VANDALS)
def test_contents_that_are_none_are_refused(honest: Path, tmp_path: Path, what: str) -> None:
    path = changed(honest, tmp_path / "x.tar", VANDALS[what], sums=True)
    if what == "a checksum twice":
        path = changed(honest, path, lambda files: files.update({"SHA256SUMS": files["SHA256SUMS"] * 2}), sums=False)
    assert "not an intact bundle" in refused(path)


def _in_manifest(files: Contents, part: str, name: str, value: str) -> None:
    data = json.loads(files["1/manifest.json"])
    data[part][name] = value
    files["1/manifest.json"] = json.dumps(data).encode()
    index = json.loads(files["bundle.json"])
    if name in {"label", "name"} and part != "dataset":
        index["results"][0][{"label": "label", "name": part}[name]] = value
        index["results"][0].pop("method", None)
    files["bundle.json"] = json.dumps(index).encode()


CLIMBING = ["../../victim", "/etc/victim", "..", ".", "a/../../victim", "", "x\0y", "~", "C:\\victim", "y" * 5000]


@pytest.mark.parametrize("name", CLIMBING)
@pytest.mark.parametrize("field", ["protocol.name", "profile.name", "method.label", "data.inputs", "data.hash", "id"])
def test_names_that_climb_lead_nowhere(honest: Path, tmp_path: Path, field: str, name: str) -> None:
    def climb(files: Contents) -> None:
        if field == "id":
            for jsonl in ("images", "pixels"):
                with_lines(files, lambda lines: [{**lines[0], "id": name}, *lines[1:]], f"1/{jsonl}.jsonl")
            claimed_anew(files)
            return
        part, _, key = field.partition(".")
        _in_manifest(files, part, key, name)

    root = tmp_path / "home/results"
    root.mkdir(parents=True)
    path = changed(honest, tmp_path / "x.tar", climb)
    before = _outside(tmp_path, root)
    assert main(["add", str(path), "--results", str(root), "--level", "1", "--no-report"]) in {0, 1, 2}
    assert _outside(tmp_path, root) == before
    for result in all_results(root):  # what was added can be read, and asks for nothing elsewhere
        assert result.inputs_folder.resolve().is_relative_to(root.resolve())


def _outside(home: Path, root: Path) -> set[str]:
    return {str(path) for path in home.rglob("*") if root not in path.parents}


def test_what_lies_in_a_results_folder_as_a_link_is_not_written_through(honest: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "results/toy-x8").symlink_to(tmp_path / "victim")
    assert main(["add", str(honest), "--results", str(tmp_path / "results"), "--level", "1", "--no-report"]) == 2
    assert not list((tmp_path / "victim").iterdir())


@pytest.mark.parametrize("method", ["./evil", "/tmp/evil", "command:evil.toml", "evil", "images:/etc"])
def test_a_method_of_the_senders_is_never_run(tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from facesr_bench.evaluation.rerun import _spec

    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil/method.py").write_text("raise SystemExit('run')")
    (tmp_path / "evil/card.toml").write_text("schema_version = 1")
    card = manifest(total=1)
    card["method"]["name"] = method
    result = write_result(tmp_path / "r", card, scored({"a": {"psnr": 1.0}}), pictures=True)
    make([result], tmp_path / "x.tar", decode)
    bundle = open_bundle(tmp_path / "x.tar")
    with bundle.archive, pytest.raises(FaceSRBenchError):
        _spec(bundle.results[0])


def _rounds(honest: Path, folder: Path, count: int, seed: int) -> int:
    """Bytes flipped, cut, doubled and exchanged at random; how many of the files were refused."""
    chance, whole = random.Random(seed), honest.read_bytes()
    found = 0
    for number in range(count):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 1, 2, 8])):
            if not data:
                break
            at, size = chance.randrange(len(data)), chance.choice([1, 2, 100, 512, 1536])
            kind = chance.randrange(5)
            if kind == 0:
                data[at] ^= 1 << chance.randrange(8)
            elif kind == 1:
                del data[at : at + size]
            elif kind == 2:
                data[at:at] = data[at : at + size]
            elif kind == 3:
                data[at : at + size] = os.urandom(len(data[at : at + size]))
            else:
                data = data[: max(at, 1)]
            if at < len(data) and chance.random() < 0.5:  # a header whose checksum is right again
                start = at // 512 * 512
                block = bytes(data[start : start + 512])
                if len(block) == 512:
                    data[start : start + 512] = _with_size(block, block[124:136])
        path = folder / f"{number}.tar"
        path.write_bytes(data)
        try:
            # What is accepted holds exactly what the honest one did, whatever was done around it.
            with open_bundle(path).archive as archive, Archive(honest) as own:
                assert archive.id == own.id
        except ResultsError:
            found += 1
        path.unlink()
    return found


def test_a_damaged_bundle_is_refused_or_holds_what_it_did(honest: Path, tmp_path: Path) -> None:
    assert _rounds(honest, tmp_path, 150, 5) > 140


@pytest.mark.full
def test_thousands_of_damaged_bundles_are_refused_or_hold_what_they_did(honest: Path, tmp_path: Path) -> None:
    assert _rounds(honest, tmp_path, 20_000, 6) > 19_000
