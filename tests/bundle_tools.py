"""Bundles as a cheat or a vandal would change them, and what `verify` says of them."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesr_bench.base.hashing import pixels_sha256
from facesr_bench.cli import main
from facesr_bench.images.files import Image8
from facesr_bench.results.bundle.archive import MAX_TEXT, SUMS, Archive, write
from facesr_bench.results.bundle.contents import PIXELS, claims, data_hash, sums_of, totals_of
from facesr_bench.results.checks import CHECK, sealed
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.record import Manifest

Contents = dict[str, bytes]
METRICS = ["psnr", "ssim"]


def contents(path: Path) -> Contents:
    """Every file of a bundle."""
    with Archive(path) as archive:
        return {name: archive.read(name, MAX_TEXT) for name in archive.members}


def changed(path: Path, out: Path, change: Callable[[Contents], None], *, sums: bool = True) -> Path:
    """A copy of a bundle with changed files, and the checksums that go with them."""
    files = contents(path)
    change(files)
    if sums:
        del files[SUMS]
        files[SUMS] = sums_of({name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
    write(out, files)
    return out


def png(picture: Image8) -> bytes:
    """A picture as a file."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="PNG")
    return stream.getvalue()


def pixels(data: bytes) -> Image8:
    """A file's picture."""
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def with_lines(files: Contents, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], name: str) -> None:
    """Change the lines of a .jsonl."""
    lines = [json.loads(line) for line in files[name].splitlines()]
    kept = [(CHECK in line, {key: value for key, value in line.items() if key != CHECK}) for line in change(lines)]
    text = [sealed(json.dumps(line)) if bears else json.dumps(line) for bears, line in kept]
    files[name] = "".join(f"{line}\n" for line in text).encode()


def claimed_anew(files: Contents, folder: str = "1") -> None:
    """Make bundle.json say what the other files say: means, counts, data."""
    images = [ImageRecord.from_json(line) for line in files[f"{folder}/images.jsonl"].splitlines()]
    known = {row.id: row for row in images}
    sets = json.loads(files.get(f"{folder}/sets.json", b"{}"))
    totals, good = totals_of(Manifest.from_json(json.loads(files[f"{folder}/manifest.json"])), known, sets)
    index = json.loads(files["bundle.json"])
    entry = index["results"][int(folder) - 1]
    hashes = [PIXELS.validate_json(line) for line in files[f"{folder}/pixels.jsonl"].splitlines()]
    entry |= {"images": len(good), "failed": len(known) - len(good), "data": data_hash(hashes)}
    entry["means"] = {name: claim.model_dump() for name, claim in claims(totals).items()}
    files["bundle.json"] = json.dumps(index).encode()


def put_picture(files: Contents, name: str, picture: Image8, folder: str = "1") -> None:
    """Another picture for an image, with its hash."""
    files[f"{folder}/sr/{name}.png"] = png(picture)

    def line(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        height, width, _ = picture.shape
        new = {"sr": pixels_sha256(picture), "height": height, "width": width}
        return [{**row, **new} if row["id"] == name else row for row in rows]

    with_lines(files, line, f"{folder}/pixels.jsonl")


class Verified:
    """What `verify` printed, and its exit status."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> None:
        capsys.readouterr()
        self.status = main(["verify", *map(str, arguments)])
        self.text = capsys.readouterr().out

    @property
    def levels(self) -> list[int]:
        return [int(level) for level in re.findall(r"^\S.*: level (\d), ", self.text, re.MULTILINE)]
