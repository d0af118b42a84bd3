"""Results on disk: one folder per (protocol, method, fingerprint).

    results/<protocol>/inputs/<hash>/{lr,hr}/<id>.png             what every method was given, once
                                    /references/<what>/<id>.npy   what depends on the ground truth alone
                                    /landmarks.json               the dataset's points, in px of HR
    results/<protocol>/<method>/<fingerprint>/manifest.json       provenance
                                             /images.jsonl        append-only, one line per image
                                             /sr/<id>.png         the image that was scored
                                             /maps/<id>.png       its error heatmap
                                             /maps/<metric>/<id>.png   where a metric's value comes from
                                             /features/<what>/<id>.npy   for metrics of the whole set
                                             /sets.json           the values of those

Everything else (tables, pages) is derived and can be rebuilt.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from facesr_bench.errors import ResultsError
from facesr_bench.files import replacing

SCHEMA = 1
"""Version of the files on disk; a loader refuses what it doesn't know."""

MANIFEST = "manifest.json"
IMAGES = "images.jsonl"
SETS = "sets.json"
LANDMARKS = "landmarks.json"


def file_name(image_id: str) -> str:
    """A file name without suffix for any image id: no separators, never longer than a file system allows."""
    quoted = (
        urllib.parse.quote(image_id, safe=" ()+,=@").replace(".", "%2E")
        if image_id.startswith(".")
        else (urllib.parse.quote(image_id, safe=" ()+,=@."))
    )
    if len(quoted) <= 150:
        return quoted
    return f"{quoted[:120]}-{hashlib.sha256(image_id.encode()).hexdigest()[:16]}"


@dataclass
class ImageRow:
    """All that is known of one image of one result.

    Attributes:
        id: the sample's id.
        metrics: value by metric name; may be infinite, never NaN.
        versions: the version of each metric when its value, or its lasting lack of one, was found.
        reasons: why a metric has no value, by metric name.
        undetected: the metrics among them whose detector found no face.
        ms: milliseconds the method took for it, or none where the image was read from disk.
        error: why the method has no image, or none.
    """

    id: str
    metrics: dict[str, float] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    undetected: list[str] = field(default_factory=list)
    ms: float | None = None
    error: str | None = None

    def to_json(self) -> str:
        """One line of images.jsonl. Infinity is written as the string "inf": JSON has no such number."""
        data: dict[str, Any] = {"id": self.id}
        if self.error is not None:
            data["error"] = self.error
        if self.metrics:
            data["metrics"] = {k: _encode(v) for k, v in self.metrics.items()}
        if self.versions:
            data["versions"] = self.versions
        if self.reasons:
            data["reasons"] = self.reasons
        if self.undetected:
            data["undetected"] = self.undetected
        if self.ms is not None:
            data["ms"] = round(self.ms, 4)
        return json.dumps(data, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ImageRow:
        return cls(
            id=data["id"],
            metrics={k: float(v) for k, v in data.get("metrics", {}).items()},
            versions=dict(data.get("versions", {})),
            reasons=dict(data.get("reasons", {})),
            undetected=list(data.get("undetected", [])),
            ms=data.get("ms"),
            error=data.get("error"),
        )


def _encode(value: float) -> float | str:
    if math.isnan(value):
        raise ResultsError("a metric returned NaN; a metric that can't be computed must raise MetricError")
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


class Result:
    """One result folder. Reading is tolerant of a torn last line; writing appends whole lines."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self._stream: TextIO | None = None

    @property
    def protocol(self) -> str:
        return str(self.manifest["protocol"]["name"])

    @property
    def method(self) -> str:
        """The method's name, without its weights."""
        return str(self.manifest["method"]["name"])

    @property
    def weights(self) -> str:
        """The name (or file) of its weights; empty for methods without."""
        return str(self.manifest["method"]["weights"] or "")

    @property
    def label(self) -> str:
        """What tables call the row: method, weights unless default, precision unless fp32."""
        return str(self.manifest["method"]["label"])

    @property
    def profile(self) -> str:
        return str(self.manifest["profile"]["name"])

    @property
    def inputs_folder(self) -> Path:
        """Where the LR and HR images of this result are: `lr/<id>.png`, `hr/<id>.png`."""
        data = self.manifest["data"]
        return self.folder.parent.parent / "inputs" / str(data.get("inputs") or data["hash"])[:16]

    def sr_path(self, image_id: str) -> Path:
        return self.folder / "sr" / f"{file_name(image_id)}.png"

    def map_path(self, image_id: str) -> Path:
        return self.folder / "maps" / f"{file_name(image_id)}.png"

    def metric_map_path(self, key: str, image_id: str) -> Path:
        """Where the map of one metric's value is: 16-bit gray, see `images.write_map`."""
        return self.folder / "maps" / file_name(key) / f"{file_name(image_id)}.png"

    def features_path(self, extractor: str, image_id: str) -> Path:
        return self.folder / "features" / file_name(extractor) / f"{file_name(image_id)}.npy"

    def sets(self) -> dict[str, dict[str, Any]]:
        """What the metrics of the whole set came to, by metric: see `facesr_bench.sets`.

        Raises:
            ResultsError: the file is damaged.
        """
        path = self.folder / SETS
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ResultsError(f"{path}: can't be read ({error}); remove it and run again") from error
        if not isinstance(found, dict):
            raise ResultsError(f"{path}: damaged; remove it and run again")
        return found

    def save_sets(self, sets: Mapping[str, Mapping[str, Any]]) -> None:
        write_json(self.folder / SETS, sets)

    def rows(self) -> dict[str, ImageRow]:
        """Every image, by id, in the order first written; later lines of an image complete or replace earlier ones."""
        rows: dict[str, ImageRow] = {}
        path = self.folder / IMAGES
        if not path.exists():
            return rows
        # What stands after the last newline is torn: the run was killed while writing it, and the image is computed
        # again. It may lack the newline alone; but `append` cuts it off, so it must not count here.
        *lines, _ = path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = ImageRow.from_json(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ResultsError(f"{path}, line {number}: damaged ({error}); remove the line to go on") from error
            rows[row.id] = _merge(rows[row.id], row) if row.id in rows else row
        return rows

    def append(self, row: ImageRow) -> None:
        """Add one line, whole and at once.

        Raises:
            ResultsError: the disk is full or not writable.
        """
        try:
            if self._stream is None:
                path = self.folder / IMAGES
                _cut_torn_line(path)
                self._stream = path.open("a", encoding="utf-8")
            self._stream.write(row.to_json() + "\n")
            self._stream.flush()
        except OSError as error:
            raise ResultsError(f"{self.folder / IMAGES}: can't be written: {error.strerror or error}") from error

    def save_manifest(self) -> None:
        write_json(self.folder / MANIFEST, self.manifest)

    def clear(self) -> None:
        """Forget every image: the old lines are kept beside, as images.jsonl.previous.

        Raises:
            ResultsError: the folder can't be written.
        """
        self.close()
        path = self.folder / IMAGES
        try:
            if path.exists():
                os.replace(path, path.with_name(IMAGES + ".previous"))
            shutil.rmtree(self.folder / "features", ignore_errors=True)
            (self.folder / SETS).unlink(missing_ok=True)
        except OSError as error:
            raise ResultsError(f"{path}: can't be put aside: {error.strerror or error}") from error

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _merge(old: ImageRow, new: ImageRow) -> ImageRow:
    reasons = {k: v for k, v in {**old.reasons, **new.reasons}.items() if k not in new.metrics}
    kept = {k: v for k, v in old.metrics.items() if k not in new.reasons}
    return ImageRow(
        id=old.id,
        metrics={**kept, **new.metrics},
        versions={**old.versions, **new.versions},
        reasons=reasons,
        undetected=[key for key in reasons if key in {*old.undetected, *new.undetected}],
        ms=new.ms if new.ms is not None else old.ms,
        error=new.error,
    )


def _cut_torn_line(path: Path) -> None:
    """Drop what a killed run left after the last newline, so that the next line starts on its own."""
    if not path.exists():
        return
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)


def make_folders(*folders: Path) -> None:
    """Make folders and those above them.

    Raises:
        ResultsError: one can't be made.
    """
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResultsError(f"{folder}: can't be made: {error.strerror or error}") from error


def check_writable(root: Path) -> None:
    """Make a results folder, and find out whether it can be written before any work is done.

    Raises:
        ResultsError: it can't be.
    """
    make_folders(root)
    probe = root / ".writable"
    try:
        probe.touch()
        probe.unlink(missing_ok=True)  # another run may probe at the same time
    except OSError as error:
        raise ResultsError(
            f"{root}: can't write there: {error.strerror or error}; choose another folder with --out"
        ) from error


def write_json(path: Path, data: Any) -> None:
    """Write JSON so that a reader never sees half of it.

    Raises:
        ResultsError: it can't be written.
    """
    with replacing(path) as partial:
        partial.write_text(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def open_result(folder: Path) -> Result:
    """Read one result folder.

    Raises:
        ResultsError: no manifest, a damaged one, or one of a version this release doesn't know.
    """
    path = folder / MANIFEST
    anew = f"remove the folder {folder} and run again"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultsError(f"{path}: can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ResultsError(f"{path}: damaged ({error}); {anew}") from error
    if not isinstance(manifest, dict) or "schema_version" not in manifest:
        raise ResultsError(f"{path}: not the manifest of a result; {anew}")
    version = manifest["schema_version"]
    if version != SCHEMA:
        raise ResultsError(
            f"{path}: results of format {version!r}, but this release reads format {SCHEMA}; "
            "read them with the release that wrote them, or run again"
        )
    missing = [name for name in _REQUIRED if not _has(manifest, name.split("."))]
    if missing:
        raise ResultsError(f"{path}: damaged, without {', '.join(missing)}; {anew}")
    return Result(folder, manifest)


_REQUIRED = (
    "protocol.name",
    "method.name",
    "method.weights",
    "method.label",
    "profile.name",
    "dataset.name",
    "data.hash",
    "metrics",
    "updated",
    "error",
)
"""What every reader of a manifest relies on."""


def _has(manifest: Any, names: list[str]) -> bool:
    for name in names:
        if not isinstance(manifest, dict) or name not in manifest:
            return False
        manifest = manifest[name]
    return True


def all_results(root: Path) -> Iterator[Result]:
    """Every result under a results folder, by protocol, method and age.

    Raises:
        ResultsError: `root` doesn't exist, or one of its results can't be read.
    """
    if not root.is_dir():
        raise ResultsError(f"{root}: no such results folder; make one with `facesr-bench run --out {root}`")
    for manifest in sorted(root.glob(f"*/*/*/{MANIFEST}")):
        yield open_result(manifest.parent)


def newest_results(root: Path) -> list[Result]:
    """The newest result of each (protocol, profile, label); superseded fingerprints are left out.

    A record that the method could not be loaded gives way to any result that has images.
    """

    def rank(result: Result) -> tuple[bool, str]:
        return result.manifest["error"] is None, result.manifest["updated"]

    newest: dict[tuple[str, str, str], Result] = {}
    for result in all_results(root):
        key = (result.protocol, result.profile, result.label)
        if key not in newest or rank(result) > rank(newest[key]):
            newest[key] = result
    return list(newest.values())
