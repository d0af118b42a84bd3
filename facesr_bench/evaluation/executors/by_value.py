"""Blocks for a worker that does not see the run's files: what it needs goes along, and what it makes comes back.

The run reads a block's pictures itself, so that the worker needs no dataset. Of what else a method or metric opens by a
path (the argument of `onnx:FILE`, a metric's network) the worker's machine must have its own, at the same place.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp

from facesr_bench.base.errors import DataError
from facesr_bench.base.files import file_name, inside, replacing
from facesr_bench.evaluation.inputs import Inputs, Loaded
from facesr_bench.evaluation.job import Job
from facesr_bench.evaluation.scorer import Prepared
from facesr_bench.evaluation.setting import Setting
from facesr_bench.results.store import LOG, MANIFEST, Result, open_result

Files = Mapping[str, bytes]
"""Contents by the path from the results folder on."""


@dataclass(frozen=True)
class Parcel:
    """A block, and what its worker needs of it.

    Attributes:
        carried: other files that the job names, by where they are on the run's machine; those sent before are left out.
    """

    job: Job
    files: Files | None = None
    carried: Mapping[Path, bytes] | None = None


class Packing:
    """Makes parcels of the blocks of one protocol; safe to use from several threads."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._lock = threading.Lock()
        self._inputs: dict[Path, Inputs] = {}

    def pack(self, job: Job, sent: set[Path]) -> tuple[Parcel, list[str]]:
        """All that a worker needs to do a block; and the names of files that were not as written, and were made anew.

        Args:
            sent: files that it was sent before; those that go along are added.

        Raises:
            FaceSRBenchError: a file can't be read or written.
        """
        result = open_result(job.result)
        inputs = self._of(result.inputs_folder)
        found = [inputs.get(image_id) for image_id, _ in job.todo]
        paths = [job.result / MANIFEST, *(path for one in found for path in _pictures(one, result))]
        paths += [result.sr_path(image_id) for image_id, what in job.todo if what == "score"]
        carried = {path: path.read_bytes() for path in _named(job) if path not in sent}
        sent.update(carried)
        known = replace(
            job,
            samples=tuple(one.record for one in found if one.record is not None),
            unreadable=tuple((one.id, one.error) for one in found if one.error is not None),
        )
        parcel = Parcel(
            known,
            {path.relative_to(job.request.out).as_posix(): path.read_bytes() for path in paths if path.is_file()},
            carried,
        )
        return parcel, [path.name for path in inputs.take_damaged()]

    def _of(self, folder: Path) -> Inputs:
        with self._lock:
            if folder not in self._inputs:
                setting = self._setting
                self._inputs[folder] = Inputs(folder, setting.card, lambda: setting.source, Prepared, {})
            return self._inputs[folder]


def _pictures(loaded: Loaded, result: Result) -> list[Path]:
    """LR and, where there is one, HR of an image."""
    return [result.inputs_folder / part / f"{file_name(loaded.id)}.png" for part in ("lr", "hr")]


def _named(job: Job) -> list[Path]:
    """Files that a job names, beside its result."""
    reference = job.request.fid_reference
    named = (job.weights, job.network, None if reference is None else reference[1])
    return [path for path in named if path is not None]


def unpack(out: Path, files: Files) -> None:
    """Write files that came from elsewhere.

    Raises:
        ResultsError: one can't be written, or would lie outside of the results folder.
    """
    for name, content in files.items():
        with replacing(inside(out, name)) as partial:
            partial.write_bytes(content)


class Away:
    """The worker's side: a results folder of its own, which holds what belongs to one block."""

    def __init__(self) -> None:
        self._folder = Path(mkdtemp(prefix="facesr-bench-"))
        self._out = self._folder / "out"
        self._carried: dict[Path, Path] = {}
        self._seen: dict[Path, tuple[int, int]] = {}

    def open(self, parcel: Parcel) -> Job:
        """A block as it can be done here.

        Raises:
            FaceSRBenchError: it can't be written.
        """
        shutil.rmtree(self._out, ignore_errors=True)
        unpack(self._out, parcel.files or {})
        for path, content in (parcel.carried or {}).items():
            # Under its own name: by that, some tell what it holds.
            self._carried[path] = self._folder / f"carried/{len(self._carried)}/{path.name}"
            unpack(self._folder, {self._carried[path].relative_to(self._folder).as_posix(): content})
        self._seen = {path: _stamp(path) for path in self._all()}
        job, asked = parcel.job, parcel.job.request
        reference = asked.fid_reference
        here = replace(
            asked,
            out=self._out,
            fid_reference=None if reference is None else (reference[0], self._here(reference[1])),
        )
        return replace(
            job,
            request=here,
            result=self._out / job.result.relative_to(asked.out),
            weights=None if job.weights is None else self._here(job.weights),
            network=None if job.network is None else self._here(job.network),
        )

    def _here(self, path: Path) -> Path:
        if path not in self._carried:
            raise DataError(f"{path}: was not sent along")
        return self._carried[path]

    def made(self) -> dict[str, bytes]:
        """What was written since this was last asked. What programs write into their log stays here."""
        stamps = {path: _stamp(path) for path in self._all()}
        new = [path for path, stamp in stamps.items() if self._seen.get(path) != stamp]
        self._seen = stamps
        return {path.relative_to(self._out).as_posix(): path.read_bytes() for path in new}

    def _all(self) -> list[Path]:
        found = (path for path in self._out.rglob("*") if path.is_file())
        return [path for path in found if path.suffix != ".partial" and path.name not in {LOG, MANIFEST}]

    def close(self) -> None:
        """Remove what was written on this machine."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
