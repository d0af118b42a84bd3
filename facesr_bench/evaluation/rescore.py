"""Level 2 of a bundle: every metric computed anew from its pictures, and what a cheat would show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from facesr_bench.base.errors import DataError, FaceSRBenchError, MetricError
from facesr_bench.base.files import file_name, inside, make_folders, replacing
from facesr_bench.base.grammar import Column, Spec
from facesr_bench.base.hashing import pixels_sha256
from facesr_bench.base.memo import Memo
from facesr_bench.base.suggest import is_path, unknown
from facesr_bench.data.degradation import apply, seed_of
from facesr_bench.evaluation import set_metrics
from facesr_bench.evaluation.job import Facts, Job
from facesr_bench.evaluation.plan import references_of
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.evaluation.setting import Setting, open_setting
from facesr_bench.evaluation.worker import Worker
from facesr_bench.images.files import Image8, read_image
from facesr_bench.plugins.metric import AnyMetric, Unavailable
from facesr_bench.plugins.spec import parse_metric
from facesr_bench.results.bundle.opened import Sent
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.record import DatasetRecord, MetricRecord, ProfileRecord, ProtocolRecord
from facesr_bench.results.samples import SampleRecord, Samples
from facesr_bench.results.store import Result

EXACT, LEARNED, OF_SETS = 1e-6, 1e-4, 1e-3
"""How far a value computed here may be from the one claimed, of metrics without a network, with one, and of sets; of
values above 1 as a share of them. Other machines add floats in another order."""

NOT_ASKED_FOR = "not asked for"

TOO_GOOD = 60.0
"""dB of PSNR over all channels: no method comes near it from pictures that are 4 or 8 times smaller."""
TOO_FAR = 20.0
"""dB between the input and the picture made small again: below, it is a picture of something else."""


@dataclass
class Rescored:
    """The pictures of a bundle as scored here.

    Attributes:
        result: in a folder of its own: pictures, maps, features, inputs.
        checked: the columns that were computed anew, unchecked: why others were not.
        problems: what contradicts the bundle.
    """

    setting: Setting
    result: Result
    checked: tuple[str, ...] = ()
    unchecked: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def rescore(sent: Sent, options: RunRequest, only: Sequence[str] | None) -> Rescored:
    """Score the pictures of a result of a bundle by what is installed here.

    Args:
        options: of a run on its protocol; `out` is a folder to work in.
        only: names of columns; None: all that it has.

    Raises:
        FaceSRBenchError: it can't be tried here: no such protocol, profile, or data.
        ResultsError: the folder can't be written.
    """
    setting, unchecked = _setting(sent, options, only)
    problems = _of_the_task(sent, setting)
    scored = Rescored(setting, _unpacked(sent, setting), unchecked=unchecked, problems=problems)
    if problems:
        return scored
    heard = Heard(scored.result)
    todo = tuple((row.id, "score") for row in sent.good)
    job = Job(options, setting.card.name, "", None, scored.result.folder, todo)
    try:
        with Worker([job], setting) as worker:
            worker.do(job, heard)
    finally:
        heard.close()
    _drop_unavailable(sent, scored, heard)
    scored.problems += _of_the_inputs(sent, scored.result)
    if not scored.problems:
        scored.problems += _of_the_values(sent, scored, heard.rows)
        scored.problems += _of_the_sets(sent, scored)
        _look_for_cheats(sent, scored)
    return scored


def _setting(sent: Sent, options: RunRequest, only: Sequence[str] | None) -> tuple[Setting, dict[str, str]]:
    """The protocol and metrics here, and why some of the metrics can't be had."""
    for kind, name in (("protocol", sent.manifest.protocol.name), ("profile", sent.manifest.profile.name)):
        if is_path(name) or "/" in name:
            raise DataError(f"its {kind} is called {name!r}: a stranger's path is not followed")
    typed, unchecked, met = {}, {}, set[str]()
    networks = _networks(only or ())
    asked = None if only is None else {text for text in only if "=" not in text} | networks.keys()
    claimed = {name for row in sent.good for name in row.metrics} | {
        name for name, found in sent.sets.items() if "value" in found
    }
    for key, record in sent.manifest.metrics.items():
        if key not in claimed:
            continue
        names = Column.parse(key).names()
        if asked is not None and not asked & set(names):
            unchecked[key] = NOT_ASKED_FOR
            continue
        met |= set(names)
        here = next((networks[name] for name in names if name in networks), None) or _without_file(record.typed or key)
        if (why := _why_unknown(here, record, options)) is not None:
            unchecked[key] = why
        else:
            typed[key] = here
    if strange := sorted((asked or set()) - met):
        raise MetricError(unknown("metric of the bundle", strange[0], sorted(claimed)))
    if not typed:
        raise MetricError("; ".join(f"{name}: {why}" for name, why in unchecked.items()) or "it has no metrics")
    wanted = replace(options, metrics=tuple(typed.values()))
    setting = open_setting(wanted, sent.manifest.protocol.name, Memo())
    _ = setting.source.items  # refused now where the data is missing
    return setting, unchecked


def _networks(only: Sequence[str]) -> dict[str, str]:
    """The metrics of `--metrics` for which the user has a network's file, by their columns' names without a hash.

    `lpips@squeeze=FILE` is that file for the column `lpips@squeeze:d3656a56`.
    """
    found = {}
    for text in only:
        spec = Spec.parse(text)
        if spec.file is not None:
            found[str(Column(spec.name, spec.variant, spec.argument, spec.weights))] = text
    return found


def _without_file(typed: str) -> str:
    """A sender's name of a metric without that of a network's file: no stranger says which file is opened here."""
    try:
        return str(replace(Spec.parse(typed), file=None))
    except FaceSRBenchError:
        return typed  # said below


def _why_unknown(typed: str, record: MetricRecord, options: RunRequest) -> str | None:
    """Why a metric of a bundle can't be had here; None if it can."""
    try:
        if is_path(Spec.parse(typed).name):
            return "a metric of the sender's own folder"
        parse_metric(typed)
    except FaceSRBenchError as error:
        return str(error)
    if record.fid_reference and not options.fid_reference:
        return f"compared with {record.fid_reference}: give --fid-reference"
    return None


def _of_the_task(sent: Sent, setting: Setting) -> list[str]:
    """Whether it is about the same task as the protocol here."""
    found = []
    if setting.definition != sent.manifest.definition:
        found.append(
            f"{sent.name}: made under another definition of {setting.card.name} or of its profile than is here"
        )
    if unknown := sorted(sent.images.keys() - setting.source.items.keys()):
        found.append(f"{sent.name}: {len(unknown)} of its images are not of the protocol; first {unknown[0]!r}")
    expected = setting.card.expected_count or len(setting.source.items)
    if sent.entry.total != expected:
        found.append(f"{sent.name}: it says that the protocol has {sent.entry.total} images, and it has {expected}")
    return found


def _unpacked(sent: Sent, setting: Setting) -> Result:
    """Its pictures, as a result of a run that has scored nothing yet."""
    folder = inside(setting.options.out, f"{file_name(setting.card.name)}/bundled/sent")
    dataset = setting.plugin.require_card()
    here = {
        "data": setting.data,
        "protocol": ProtocolRecord.model_validate(setting.card.model_dump(mode="json")),
        "profile": ProfileRecord.model_validate(setting.profile.canonical()),
        "dataset": DatasetRecord(name=dataset.name, title=dataset.title, licence=dataset.licence),
    }
    result = Result(folder, sent.manifest.model_copy(update=here))
    make_folders(folder / "sr", folder / "maps", result.inputs_folder / "lr", result.inputs_folder / "hr")
    for row in sent.good:
        with replacing(result.sr_path(row.id)) as partial:
            partial.write_bytes(sent.picture(row.id))
    result.save_manifest()
    return result


class Heard:
    """Keeps what is heard of one job."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self._samples = Samples(result.inputs_folder)
        self.rows: dict[str, ImageRecord] = {}
        self.unavailable: dict[str, str] = {}
        self.failure: str | None = None

    def started(self, job: Job) -> None:
        """Nothing to keep."""

    def facts(self, job: Job, facts: Facts) -> None:
        """Which metrics can't be computed here."""
        self.unavailable.update(facts.unavailable)

    def image(self, job: Job, record: ImageRecord, sample: SampleRecord | None) -> None:
        """One image is done."""
        if sample is not None:
            self._samples.add(sample)
        self.rows[record.id] = record
        self._result.append(record)

    def problem(self, job: Job, message: str) -> None:
        """What costs no number is no matter here."""

    def mended(self, job: Job, message: str) -> None:
        """Nothing lies here that was not written just now."""

    def failed(self, job: Job, message: str, details: str | None) -> None:
        """The method can't be loaded."""
        self.failure = message

    def close(self) -> None:
        """Every line is written."""
        self._samples.close()
        self._result.close()


def _drop_unavailable(sent: Sent, scored: Rescored, heard: Heard) -> None:
    checked, reasons = [], {}
    for metric in scored.setting.metrics:
        why = metric.reason if isinstance(metric, Unavailable) else heard.unavailable.get(metric.key)
        claimed = scored.result.manifest.metrics.get(metric.key)
        if why is None and claimed is None:
            why = "of this name nothing is claimed"
        if why is None and claimed is not None and claimed.version != metric.card.version:
            why = f"claimed by version {claimed.version} of the metric, which here has version {metric.card.version}"
        if why is None:
            checked.append(metric.key)
        elif claimed is not None:
            scored.unchecked[metric.key] = why
        elif isinstance(metric, Unavailable):
            reasons[metric.key] = why
    for key in sent.entry.means:
        if key not in checked and key in scored.result.manifest.metrics:
            why = next((reasons[name] for name in Column.parse(key).names() if name in reasons), "")
            scored.unchecked.setdefault(key, "; ".join(filter(None, [_of_another_network(key), why])))
    scored.checked = tuple(checked)


def _of_another_network(key: str) -> str:
    """Why a column can't be checked by what is here, and what would help."""
    column = Column.parse(key)
    if column.hash is None:
        return "here its column has another name: its network is another"
    name = column.names()[1]
    return f"give its network as --metrics '{name}=FILE', a file whose sha256 begins with {column.hash}"


def _of_the_inputs(sent: Sent, result: Result) -> list[str]:
    """Whether it was made of the pictures that are here."""
    found = []
    for row in sent.good:
        for part in ("lr", "hr") if sent.entry.ground_truth else ("lr",):
            path = result.inputs_folder / part / f"{file_name(row.id)}.png"
            if not path.is_file():
                found.append(f"{sent.name}: {row.id} can't be read here")
                break
            if pixels_sha256(read_image(path)) != getattr(sent.pixels[row.id], part):
                what = "input" if part == "lr" else "ground truth"
                found.append(f"{sent.name}: the {what} of {row.id} is another picture here")
                break
    return _first(found)


def _first(found: Sequence[str], named: int = 3) -> list[str]:
    """A few of many."""
    more = [f"... and {len(found) - named} more"] if len(found) > named else []
    return [*found[:named], *more]


def _of_the_values(sent: Sent, scored: Rescored, rows: Mapping[str, ImageRecord]) -> list[str]:
    """Whether every value of every image is what is claimed."""
    found: list[str] = []
    of_images = [metric for metric in scored.setting.metrics if metric.card.of == "image"]
    for metric in (metric for metric in of_images if metric.key in scored.checked):
        wrong = list(_differences(sent, metric, rows))
        if wrong:
            found.append(f"{sent.name}: {metric.key} of {len(wrong)} of {len(sent.good)} images; first {wrong[0]}")
    for row in sent.good:
        if row.identity != rows[row.id].identity:
            found.append(f"{sent.name}: {row.id} is said to show {row.identity!r}, not {rows[row.id].identity!r}")
            break
    return found


def _differences(sent: Sent, metric: AnyMetric, rows: Mapping[str, ImageRecord]) -> Iterator[str]:
    key, tolerance = metric.key, LEARNED if metric.card.weights else EXACT
    for row in sent.good:
        claimed, computed = row.metrics.get(key), rows[row.id].metrics.get(key)
        if claimed is not None and row.versions.get(key) != metric.card.version:
            yield f"{row.id}: claimed by version {row.versions.get(key)} of the metric"
        elif claimed is None and computed is None:
            continue
        elif claimed is None or computed is None:
            why = rows[row.id].reasons.get(key, "no value") if computed is None else row.reasons.get(key, "no value")
            yield f"{row.id}: claimed {_shown(claimed)}, here {_shown(computed)} ({why})"
        elif not _close(claimed, computed, tolerance):
            yield f"{row.id}: claimed {claimed!r}, here {computed!r}"


def _shown(value: float | None) -> str:
    return "none" if value is None else repr(value)


def _close(a: float, b: float, tolerance: float) -> bool:
    return a == b or math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)


def _of_the_sets(sent: Sent, scored: Rescored) -> list[str]:
    metrics = [metric for metric in scored.setting.metrics if metric.card.of == "set" and metric.key in scored.checked]
    set_metrics.update(scored.result, metrics, references_of(scored.result))
    computed = scored.result.sets()
    found = []
    for metric in metrics:
        claimed, here = sent.sets.get(metric.key, {}), computed.get(metric.key, {})
        a, b = _number(claimed.get("value")), _number(here.get("value"))
        if (a is None) != (b is None) or (a is not None and b is not None and not _close(a, b, OF_SETS)):
            found.append(f"{sent.name}: {metric.key} is claimed as {_shown(a)}, here it is {_shown(b)}")
    return found


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _look_for_cheats(sent: Sent, scored: Rescored) -> None:
    """Ground truth in another dress, and pictures that are not of their inputs."""
    psnr: list[tuple[float, str]] = []
    small: list[tuple[float, str]] = []
    for row in sent.good:
        sr = read_image(scored.result.sr_path(row.id))
        lr = _input(scored.result, "lr", row.id)
        if sent.entry.ground_truth:
            hr = _input(scored.result, "hr", row.id)
            if sr.shape != hr.shape:
                size = f"{sr.shape[1]}x{sr.shape[0]} px, not {hr.shape[1]}x{hr.shape[0]}"
                scored.problems.append(f"{sent.name}: {row.id} is {size}")
                continue
            psnr.append((_psnr(sr, hr), row.id))
        if (again := _made_small(scored.setting, row.id, sr)) is not None and again.shape == lr.shape:
            small.append((_psnr(again, lr), row.id))
    if psnr and max(psnr)[0] > TOO_GOOD:
        value, image = max(psnr)
        scored.problems.append(
            f"{sent.name}: {image} is its ground truth but for {value:.1f} dB (more than {TOO_GOOD:g})"
        )
    if small:
        mean = sum(min(value, 100.0) for value, _ in small) / len(small)
        value, image = min(small)
        scored.notes.append(
            f"{sent.name}: made small again, {mean:.2f} dB from its inputs; lowest {value:.2f} ({image})"
        )
        far = [image for value, image in small if value < TOO_FAR]
        if far:
            scored.notes.append(f"{sent.name}: SUSPICIOUS: {len(far)} pictures are not of their inputs; first {far[0]}")


def _input(result: Result, part: str, image_id: str) -> Image8:
    return read_image(result.inputs_folder / part / f"{file_name(image_id)}.png")


def _made_small(setting: Setting, image_id: str, sr: Image8) -> Image8 | None:
    """The picture through the protocol's own degradation, by the same seed; None where it can't be."""
    how = setting.source.degradation
    if how is None:
        return None
    try:
        lr, _ = apply(how, sr, seed_of(setting.card.name, image_id))
    except DataError:
        return None
    return lr


def _psnr(a: Image8, b: Image8) -> float:
    """dB over all channels."""
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return math.inf if not error else 10 * math.log10(255**2 / error)
