"""What the manifest of a result says, before anything is computed and after."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from facesr_bench import weights
from facesr_bench.base import environment
from facesr_bench.base.grammar import Spec
from facesr_bench.base.suggest import expanded, is_path
from facesr_bench.evaluation.job import Facts
from facesr_bench.evaluation.setting import Setting
from facesr_bench.plugins.argument import Argument
from facesr_bench.plugins.sidecar import Stated
from facesr_bench.plugins.spec import MethodSpec, parse_metric
from facesr_bench.results.record import (
    CostRecord,
    DatasetRecord,
    EnvironmentRecord,
    Manifest,
    MethodRecord,
    MetricRecord,
    PaperRecord,
    ProfileRecord,
    ProtocolRecord,
    Request,
)


def manifest_of(
    setting: Setting,
    spec: MethodSpec,
    argument: Argument | None,
    found: weights.Weights | None,
    label: str,
    key: str,
    code: str | None,
) -> Manifest:
    """The manifest of a result that is begun now.

    Args:
        argument: what followed the method's colon, opened; None for a method without.
        found: its checkpoint; None for a method without, or one that failed before.
        label: what tables call the row.
        key: the result's fingerprint.
        code: the hash of the method's code, or None where it can't be read.
    """
    method = argument.card if argument else spec.plugin.require_card()
    stated = argument.stated if argument else Stated()
    dataset = setting.plugin.require_card()
    when = _now()
    return Manifest(
        fingerprint=key,
        definition=setting.definition,
        created=when,
        updated=when,
        protocol=ProtocolRecord.model_validate(setting.card.model_dump(mode="json")),
        dataset=DatasetRecord(name=dataset.name, title=dataset.title, licence=dataset.licence),
        data=setting.data,
        profile=ProfileRecord.model_validate(setting.profile.canonical()),
        method=MethodRecord(
            name=method.name,
            title=method.title,
            summary=method.summary,
            label=label,
            weights=found.name if found else stated.weights,
            weights_sha256=found.sha256 if found else None,
            training_data=found.training_data if found else stated.training_data,
            precision=setting.options.precision,
            parameters=method.parameters,
            licence=method.licence,
            paper=PaperRecord.model_validate(method.paper.model_dump(mode="json")) if method.paper else None,
            code=method.code,
            code_hash=code,
            interpolates=method.interpolates,
            assumed_aligned=setting.unaligned(method) and setting.options.assume_aligned,
            argument=argument.text if argument else None,
            argument_sha256=argument.sha256 if argument else None,
            reported_ms=stated.milliseconds,
            reported_on=stated.measured_on,
            time_includes=method.time_includes,
            remarks=argument.remarks(setting.source.items.keys()) if argument else (),
            deterministic=method.deterministic,
            seed=method.seed,
            backend=setting.options.backend,
        ),
        environment=_environment(setting.device),
        request=_request(setting, spec),
        command=environment.command_line(),
        metrics=_records(setting, {metric.key: metric.describe() for metric in setting.metrics}),
        error=None,
    )


def learned(manifest: Manifest, setting: Setting, spec: MethodSpec, facts: Facts) -> Manifest:
    """A result's manifest once this run has computed numbers: where, how it was asked for, what the method costs."""
    machine = EnvironmentRecord.model_validate(facts.environment)
    # Metrics may know more of themselves once their networks are open.
    metrics = _records(setting, facts.metrics)
    computed = manifest.computed(_now(), machine, _request(setting, spec), environment.command_line(), metrics)
    return computed if facts.cost is None else computed.measured(CostRecord.model_validate(facts.cost))


def _request(setting: Setting, spec: MethodSpec) -> Request:
    """What was asked for, as far as it is about one method on one protocol."""
    asked = setting.options
    return Request(
        methods=(spec.text,),
        protocols=(_protocol_as_asked(setting),),
        options=asked.recorded(),
        data=tuple(name for name in asked.data if name in {setting.card.name, setting.plugin.name}),
    )


def _protocol_as_asked(setting: Setting) -> str:
    """Its name, or `FOLDER:NAME` for one of a dataset that the user gave as a folder."""
    for text in setting.options.protocols:
        folder = text.partition(":")[0]
        if is_path(text) and expanded(folder).resolve() == setting.plugin.folder.resolve():
            return f"{folder}:{setting.card.name}"
    return setting.card.name


def _environment(device: str) -> EnvironmentRecord:
    return EnvironmentRecord.model_validate(environment.environment(device))


def _records(setting: Setting, described: Mapping[str, Mapping[str, Any]]) -> dict[str, MetricRecord]:
    """What metrics say of themselves; those of the user's own folders are asked for as they were now."""
    asked = setting.options.metrics or setting.card.metrics  # two names may mean one metric
    paths = {parse_metric(text).typed: text for text in asked if is_path(Spec.parse(text).name)}
    typed = {metric.key: metric.context.typed for metric in setting.metrics}
    folders = {key: {"typed": paths[name]} for key, name in typed.items() if name in paths}
    return {key: MetricRecord.model_validate({**said, **folders.get(key, {})}) for key, said in described.items()}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")
