"""Files that a person brings: recognised by hash, by the zip's content, or by name; hostile zips refused."""

from __future__ import annotations

import hashlib
import io
import random
import stat
import warnings
import zipfile
from pathlib import Path

import pytest

from facesr_bench.base.errors import WeightsError
from facesr_bench.cli import main
from facesr_bench.weights import archives, store
from facesr_bench.weights.catalogue import Entry, find
from facesr_bench.weights.fetching import import_file

NET = random.Random(3).randbytes(50_000)
OTHER = random.Random(4).randbytes(50_000)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def known(cache: Path) -> list[Entry]:
    """A hashed file, one with a prefix, one without any hash, and a member of a zip."""
    url = ("https://example.org/x.bin",)
    folder = cache / "_evaluators"
    return [
        Entry("hashed", folder / "hashed.pth", "", "", url, sha256=sha256(NET)),
        Entry("prefix", folder / "prefix.pth", "", "", url, sha256_prefix=sha256(OTHER)[:8]),
        Entry("open", folder / "open.pth", "", "", url),
        Entry("packed", folder / "m.onnx", "", "", url, member="m.onnx", size=len(NET), sha256=sha256(NET[::-1])),
    ]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_by_hash_whatever_its_name(tmp_path: Path, known: list[Entry]) -> None:
    [arrival] = import_file(write(tmp_path / "download (1).tmp", NET), known)
    assert (arrival.entry.name, arrival.recognised_by, arrival.status.verdict) == ("hashed", "sha256", "verified")
    assert arrival.entry.path.read_bytes() == NET
    [arrival] = import_file(write(tmp_path / "something", OTHER), known)
    assert (arrival.entry.name, arrival.recognised_by, arrival.status.verdict) == ("prefix", "sha256", "pinned")


def test_by_name_where_no_hash_is_published(tmp_path: Path, known: list[Entry]) -> None:
    first = write(tmp_path / "open.pth", b"\x80first")
    [arrival] = import_file(first, known)
    assert (arrival.entry.name, arrival.recognised_by, arrival.status.verdict) == ("open", "name", "pinned")
    assert store.pins()["open"].source == str(first)
    with pytest.raises(WeightsError, match=r"named like open, but it is not that file: .* pinned on first use"):
        import_file(write(first, b"\x80second"), known)
    assert arrival.entry.path.read_bytes() == b"\x80first"
    [again] = import_file(write(tmp_path / "renamed", b"\x80first"), known)
    assert again.recognised_by == "sha256", "a pinned file is known by its hash"


def test_a_name_does_not_beat_a_published_hash(tmp_path: Path, known: list[Entry]) -> None:
    with pytest.raises(WeightsError, match=f"named like hashed, but it is not that file: .*expected {sha256(NET)}"):
        import_file(write(tmp_path / "hashed.pth", b"\x80no"), known)
    assert not known[0].path.exists()


def test_what_is_not_known(tmp_path: Path, known: list[Entry]) -> None:
    with pytest.raises(WeightsError, match=r"mine\.pth: not recognised \(sha256 .*--methods METHOD@"):
        import_file(write(tmp_path / "mine.pth", b"\x80mine"), known)
    with pytest.raises(WeightsError, match="no such file"):
        import_file(tmp_path, known)
    with pytest.raises(WeightsError, match="it is a text"):
        import_file(write(tmp_path / "open.pth", b"<html>"), known)
    assert store.pins() == {}


def test_a_wrong_file_in_place_goes_aside(tmp_path: Path, known: list[Entry]) -> None:
    known[0].path.parent.mkdir(parents=True)
    write(known[0].path, b"\x80damaged")
    import_file(write(tmp_path / "x", NET), known)
    assert known[0].path.read_bytes() == NET
    [aside] = known[0].path.parent.glob("hashed.pth.rejected-*")
    assert aside.read_bytes() == b"\x80damaged" and aside.name.endswith(sha256(b"\x80damaged")[:8])


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "arcface_resnet18.pth", NET)
    assert main(["weights", "import", str(file), str(tmp_path / "nothing")]) == 1
    said = capsys.readouterr()
    assert "gfpgan-arcface: imported from" in said.out and "recognised by its file name" in said.out
    assert "pinned on first use" in said.out and "nothing: no such file" in said.err
    assert main(["weights", "path", "gfpgan-arcface"]) == 0
    assert Path(capsys.readouterr().out.strip()) == find("gfpgan-arcface").path


# -- zips --------------------------------------------------------------------------------------------------------------


def make_zip(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the same name twice
        for name, data in members:
            archive.writestr(name, data, zipfile.ZIP_DEFLATED)
    return path


def test_a_zip_gives_the_member_that_is_known(tmp_path: Path, known: list[Entry]) -> None:
    pack = make_zip(tmp_path / "any.zip", ("pack/m.onnx", NET[::-1]), ("pack/n.onnx", OTHER))
    [arrival] = import_file(pack, known)
    assert (arrival.entry.name, arrival.recognised_by, arrival.status.verdict) == ("packed", "member", "verified")
    assert arrival.entry.path.read_bytes() == NET[::-1]
    assert [p.name for p in arrival.entry.path.parent.glob("[!.]*")] == ["m.onnx"]


def test_a_wrong_member_is_refused(tmp_path: Path, known: list[Entry]) -> None:
    with pytest.raises(WeightsError, match=r"its sha256 is .* expected"):
        import_file(make_zip(tmp_path / "any.zip", ("m.onnx", NET)), known)
    assert not list(known[3].path.parent.glob("[!.]*"))


def linked() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("m.onnx")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ([("../m.onnx", NET)], "leads out of the archive"),
        ([("m.onnx", NET), ("a/../../evil.py", b"x")], "leads out of the archive"),
        ([("/m.onnx", NET)], "leads out of the archive"),
        ([("C:/m.onnx", NET)], "leads out of the archive"),
        ([("..\\m.onnx", NET)], "leads out of the archive"),
        ([("a/m.onnx", NET), ("b/m.onnx", OTHER)], "2 files called m.onnx"),
        ([(linked(), NET)], "is a link"),
        ([("m.onnx", bytes(10_000_000))], "would grow from"),
        ([("n.onnx", NET)], "there is no m.onnx"),
        ([("m.onnx/", b"")], "there is no m.onnx"),
    ],
)
def test_hostile_zips(tmp_path: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]], problem: str) -> None:
    pack, target = make_zip(tmp_path / "a.zip", *members), tmp_path / "target"
    with pytest.raises(WeightsError, match=problem):
        archives.extract(pack, "m.onnx", target, size=None)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip"]
    assert not (tmp_path.parent / "m.onnx").exists()


def test_another_size_than_published(tmp_path: Path) -> None:
    pack = make_zip(tmp_path / "a.zip", ("m.onnx", NET))
    with pytest.raises(WeightsError, match="would have 50000 bytes unpacked, expected 49999"):
        archives.extract(pack, "m.onnx", tmp_path / "target", size=49_999)


def test_a_member_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 49_999)
    with pytest.raises(WeightsError, match="the limit"):
        archives.extract(make_zip(tmp_path / "a.zip", ("m.onnx", NET)), "m.onnx", tmp_path / "target", size=None)


def test_a_header_that_lies_about_the_size(tmp_path: Path) -> None:
    """10 MB of zeros that claim to be 100 bytes: never more than claimed is written, and it is refused."""
    pack = make_zip(tmp_path / "a.zip", ("m.onnx", bytes(10_000_000)))
    data, true, false = pack.read_bytes(), (10_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little")
    assert data.count(true) == 2, "local header and directory"
    pack.write_bytes(data.replace(true, false))
    with pytest.raises(WeightsError, match="damaged"):
        archives.extract(pack, "m.onnx", tmp_path / "target", size=None)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("where", [200, -200, -10])
def test_damaged_zips(tmp_path: Path, where: int) -> None:
    pack = make_zip(tmp_path / "a.zip", ("m.onnx", NET))
    data = bytearray(pack.read_bytes())
    if where == -10:
        data = data[:where]
    else:
        data[where] ^= 0x55
    pack.write_bytes(data)
    with pytest.raises(WeightsError, match=r"not a zip archive, or damaged|there is no m\.onnx"):
        archives.extract(pack, "m.onnx", tmp_path / "target", size=None)
    assert not (tmp_path / "target").exists()


def test_a_locked_zip(tmp_path: Path) -> None:
    """A member marked as encrypted asks for a password instead of giving rubbish."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("m.onnx", NET)
    data = bytearray(stream.getvalue())
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    pack = write(tmp_path / "a.zip", bytes(data))
    with pytest.raises(WeightsError, match="password"):
        archives.extract(pack, "m.onnx", tmp_path / "target", size=None)
