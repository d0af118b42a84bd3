"""`facesr-bench run`: every method on every protocol, each image read once, resumable, nothing lost.

dataset -> protocol (crop, degrade) -> method -> quantise -> metrics -> store
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from facesr_bench.base import hashing
from facesr_bench.base.devices import torch_device
from facesr_bench.base.errors import PLUGIN_ERRORS, DataError, FaceSRBenchError, PluginError, ResultsError, describe
from facesr_bench.base.files import check_writable
from facesr_bench.base.memo import Memo
from facesr_bench.data.protocols import expand_protocols, find_protocol
from facesr_bench.data.sources import check_names, open_dataset
from facesr_bench.evaluation import set_metrics
from facesr_bench.evaluation.executors.threads import Computation
from facesr_bench.evaluation.metrics import Setup, find_metric, opened
from facesr_bench.evaluation.plan import Entry, Failure, Setting, inputs_of, open_entry, references_of
from facesr_bench.evaluation.request import Progress, RunOutcome, RunRequest
from facesr_bench.plugins.cards import DatasetCard, ProtocolCard
from facesr_bench.plugins.dataset import DatasetBase, Item
from facesr_bench.plugins.metric import AnyMetric, ReferenceSet
from facesr_bench.plugins.profile import Profile, get_profile
from facesr_bench.plugins.registry import Plugin
from facesr_bench.plugins.spec import MethodSpec, parse_method, parse_metric


def run(options: RunRequest, progress: Progress | None = None) -> RunOutcome:
    """Run methods on protocols.

    Failures of one protocol, method or image are collected in the report and take nothing else down.

    Raises:
        FaceSRBenchError: nothing can be run at all: unknown method, protocol, profile or metric, or the output folder
            can't be written.
    """
    specs = [parse_method(method) for method in options.methods]
    found = [find_protocol(name) for name in expand_protocols(options.protocols)]
    if not specs or not found:
        raise FaceSRBenchError("give at least one method and one protocol")
    check_names(options.data)  # wrong names are told before any work is done
    for _, card in found:
        _profile(options, card)
    options.check()
    reference = set_metrics.read_reference(*options.fid_reference) if options.fid_reference else None
    check_writable(options.out)
    report, memo = RunOutcome(), Memo()
    for plugin, card in found:
        try:
            _run_protocol(options, specs, plugin, card, reference, memo, report, progress or Progress())
        except ResultsError:
            raise  # a run that can't save is a failed run
        except FaceSRBenchError as error:
            report.problems.append(f"{card.name}: {error}")
    return report


def _run_protocol(
    options: RunRequest,
    specs: Sequence[MethodSpec],
    plugin: Plugin[DatasetCard],
    card: ProtocolCard,
    reference: ReferenceSet | None,
    memo: Memo,
    report: RunOutcome,
    progress: Progress,
) -> None:
    """All methods on one protocol."""
    profile = _profile(options, card)
    metrics = _metrics(options, card, profile, reference, memo)
    dataset, items, content = _items(options, plugin, card)
    inputs = hashing.fingerprint({"data": content, **inputs_of(plugin, card)})
    data = {"hash": content, "count": len(items), "inputs": inputs}
    setting = Setting(options, plugin, card, profile, metrics, data)
    chosen = list(items[: options.limit])
    entries = _open_all(setting, specs, chosen, report)
    if not entries:
        return
    wanted = {image_id for entry in entries for image_id in entry.todo}
    progress.start(card.name, sum(len(entry.todo) for entry in entries))
    try:
        if wanted:
            metrics = opened(metrics)
            setting = replace(setting, metrics=metrics)
            attended = {item.id for item in chosen[: max(0, options.attention)]}
            computation = Computation(setting, attended, report, progress)
            computation.run(dataset, [item for item in chosen if item.id in wanted], entries)
    finally:
        for entry in entries:
            entry.result.close()
            if entry.todo:
                entry.computed_now(setting)
    of_sets = [metric for metric in metrics if metric.card.of == "set"]
    for entry in entries:
        set_metrics.update(entry.result, of_sets, references_of(entry.result))


def _profile(options: RunRequest, card: ProtocolCard) -> Profile:
    """The convention, in which every metric asked for may have a table.

    Raises:
        FaceSRBenchError: there is no such profile or metric.
    """
    chosen = [parse_metric(name).plugin for name in options.metrics or card.metrics]
    return get_profile(options.profile or card.profile, chosen)


def _metrics(
    options: RunRequest, card: ProtocolCard, profile: Profile, reference: ReferenceSet | None, memo: Memo
) -> list[AnyMetric]:
    setup = Setup(profile, card.scale, torch_device(options.device), reference, memo)
    return [find_metric(name, setup) for name in options.metrics or card.metrics]


def _items(
    options: RunRequest, plugin: Plugin[DatasetCard], card: ProtocolCard
) -> tuple[DatasetBase, Sequence[Item], str]:
    """The protocol's dataset, what it lists, and the hash of that."""
    try:
        dataset, _ = open_dataset(card.name, options.data)
        items = list(dataset.items(card))
        _check_items(plugin.name, items)
        return dataset, items, dataset.content_hash(items)
    except FaceSRBenchError:
        raise
    except PLUGIN_ERRORS as error:  # costs the dataset's own protocols
        message = f"dataset {plugin.name} can't list its images: {describe(error)}"
        raise PluginError(message, traceback.format_exc()) from error


def _check_items(dataset: str, items: Sequence[Item]) -> None:
    """An id names an image in results, so two images of one id would leave one of them out.

    Raises:
        DataError: nothing is listed, or an id that can't name an image.
    """
    if not items:
        raise DataError(f"dataset {dataset} lists no images")
    seen: set[str] = set()
    for item in items:
        if not isinstance(item.id, str) or not item.id:
            raise DataError(f"dataset {dataset}: {item.id!r} is no image id; a text of one letter or more is due")
        if item.id in seen:
            raise DataError(f"dataset {dataset} lists two images with the id {item.id!r}")
        try:
            item.id.encode()
        except UnicodeEncodeError as error:
            what = "is not valid UTF-8: rename the file"
            raise DataError(f"dataset {dataset}: the name {item.id!r} {what}") from error
        seen.add(item.id)


def _open_all(setting: Setting, specs: Sequence[MethodSpec], chosen: Sequence[Item], report: RunOutcome) -> list[Entry]:
    """Every method that can run; the others are told of in the report.

    Two ways to write one method (`sparnet` and `sparnet@bundled`) are one row.
    """
    entries: list[Entry] = []
    seen: set[Path] = set()
    for spec in specs:
        opened = open_entry(setting, spec, chosen)
        if isinstance(opened, Failure):
            report.problems.append(f"{setting.card.name}, {opened.label}: {opened.error}")
        elif opened.result.folder in seen:
            continue
        else:
            seen.add(opened.result.folder)
            entries.append(opened)
        if opened.result is not None:
            report.results.append(opened.result)
    return entries
