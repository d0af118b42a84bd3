"""A bundle's numbers in the form of Hugging Face's `.eval_results`: a YAML file beside a model's card.

    - dataset:
        id: OWNER/NAME
        task_id: helen-x8.psnr
      value: 25.84
      date: "2026-11-30"
      source:
        url: https://...
        name: facesr-bench
      notes: ...

JSON texts and numbers are YAML, so nothing else is needed to write it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.files import file_name, own, write_text
from facesr_bench.results.bundle.contents import Entry, Index
from facesr_bench.results.store import Result

FOLDER = ".eval_results"
_DATASET = re.compile(r"[\w.-]+/[\w.-]+")


def write_eval_results(
    folder: Path, dataset: str, bundle: str, index: Index, results: Sequence[Result], url: str | None
) -> list[Path]:
    """Write `.eval_results/facesr-<method>.yaml`, a file per method, since there each belongs to a model of its own.

    Args:
        folder: the model's repository.
        dataset: the benchmark on the hub, OWNER/NAME: it must be one that the hub knows as a benchmark.
        bundle: its id.
        results: those of the bundle, for their dates.
        url: where the bundle can be had.

    Raises:
        ResultsError: not the name of a dataset, or it can't be written.
    """
    if not _DATASET.fullmatch(dataset):
        raise ResultsError(f"--hf-dataset {dataset!r}: write OWNER/NAME, a benchmark on the Hugging Face hub")
    dates = {result.manifest.fingerprint: result.manifest.updated[:10] for result in results}
    methods: dict[str, list[str]] = {}
    for entry in index.results:
        lines = _lines(entry, dataset, bundle, dates.get(entry.fingerprint, ""), url)
        methods.setdefault(entry.label, []).extend(lines)
    written = []
    for label, lines in methods.items():
        path = own(folder, f"{FOLDER}/facesr-{file_name(label)}.yaml")
        write_text(path, "\n".join(lines) + "\n")
        written.append(path)
    return written


def _lines(entry: Entry, dataset: str, bundle: str, date: str, url: str | None) -> list[str]:
    found = []
    for name, claim in entry.means.items():
        if not isinstance(claim.mean, float):
            continue  # the form knows numbers alone
        notes = f"protocol {entry.protocol}, profile {entry.profile}, {name} over {claim.n} images ({entry.size}); "
        found += [
            "- dataset:",
            f"    id: {json.dumps(dataset)}",
            f"    task_id: {json.dumps(f'{entry.protocol}.{name}')}",
        ]
        found.append(f"  value: {claim.mean!r}")
        if date:
            found.append(f"  date: {json.dumps(date)}")
        if url:
            found += ["  source:", f"    url: {json.dumps(url)}", '    name: "facesr-bench bundle"']
        found.append(f"  notes: {json.dumps(f'{notes}facesr-bench bundle sha256 {bundle}')}")
    return found
