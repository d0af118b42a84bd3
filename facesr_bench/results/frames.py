"""Results as pandas tables: a row per result, or a row per image."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from facesr_bench.results.columns import COSTS, STABLE_COLUMNS, MetricInfo, Totals, ordered_metrics, why_missing
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.summary import ResultSummary, columns, count_column, records

if TYPE_CHECKING:
    import pandas

Asked = Mapping[str, Collection[str]]
"""The metrics that were asked for, by protocol."""


def summary_frame(
    rows: Sequence[ResultSummary], asked: Asked, lost: Iterable[Mapping[str, Any]] = ()
) -> pandas.DataFrame:
    """One row per result, with the metrics asked for and the columns made of their values (areas, failure rates).

    Args:
        lost: what is known (`protocol`, `method`, `notes`) of results that were asked for and don't exist.

    Returns:
        The columns of `summary.columns` less the metrics not asked for and their counts; behind them `notes`, what a
        reader of the numbers must know: why a method did not run, why a cell is empty.
    """
    shown = ordered_metrics(info for row in rows for info in _shown(row, asked).values())
    metric_columns = {*STABLE_COLUMNS, *map(count_column, STABLE_COLUMNS)}
    fixed = [name for name in columns([]) if name not in metric_columns]
    start = fixed.index("n") + 1
    counts = list(map(count_column, shown))
    names = [*fixed[:start], *shown, *fixed[start:], *counts, "notes"]
    found = []
    for row, record in zip(rows, records(rows), strict=True):
        mine = _shown(row, asked)
        wanted = {*fixed, *mine, *counts}
        cells = {name: value for name, value in record.items() if name in wanted}
        found.append({**cells, "notes": "; ".join(row.notes(mine))})
    empty = dict.fromkeys(("n", "failed", "total", *counts), 0)
    return _frame([*found, *({**empty, **record} for record in lost)], names, shown)


def image_frame(rows: Sequence[ResultSummary], asked: Asked) -> pandas.DataFrame:
    """One row per result and image: names, image, identity, the metrics asked for, ms, error, notes.

    Metrics of whole sets have no column. `error` is why the method has no image; `notes` why values are missing.
    """
    metrics = ordered_metrics(info for row in rows for info in _shown(row, asked).values() if info.has_values)
    found = []
    for row in rows:
        mine = {name: info for name, info in _shown(row, asked).items() if info.has_values}
        head = {"protocol": row.protocol, "method": row.method, "weights": row.weights}
        found += [{**head, **image_cells(image, mine)} for image in row.result.images.values()]
    return _frame(found, ["protocol", "method", "weights", *IMAGE_FIRST, *metrics, *IMAGE_LAST], [*metrics, "ms"])


IMAGE_FIRST, IMAGE_LAST = ("image", "identity"), ("ms", "error", "notes")


def image_cells(image: ImageRecord, metrics: Mapping[str, MetricInfo]) -> dict[str, Any]:
    """What a table of images says of one."""
    missing = {name: why_missing(image, name, info) for name, info in metrics.items()}
    reasons = [f"{name}: {reason}" for name, reason in missing.items() if reason is not None and image.error is None]
    values = {name: image.metrics[name] for name, reason in missing.items() if reason is None}
    first = {"image": image.id, "identity": image.identity}
    return {**first, **values, "ms": image.ms, "error": image.error, "notes": "; ".join(reasons)}


def folder_frames(
    head: Mapping[str, Any],
    infos: Mapping[str, MetricInfo],
    totals: Totals,
    images: Sequence[ImageRecord],
    problems: Mapping[str, str],
) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """One row of means, and one row per image, of pictures that no run has made.

    Args:
        head: the first columns of the row of means.
        problems: why an image could not be scored at all, by name; it has a row too.
    """
    missing = [
        f"{name}: {reason}" + (f" ({len(ids)} of {len(images)} images)" if len(ids) < len(images) else "")
        for name, reasons in totals.reasons.items()
        for reason, ids in reasons.items()
    ]
    row = {**head, "n": len(images), "failed": len(problems), **totals.means, "notes": "; ".join(missing)}
    frame = _frame([row], [*head, "n", "failed", *infos, "notes"], infos)
    own = {name: info for name, info in infos.items() if info.has_values}
    found = [image_cells(image, own) for image in images]
    found += [{"image": name, "error": problem, "notes": ""} for name, problem in problems.items()]
    found.sort(key=lambda cells: str(cells["image"]))
    return frame, _frame(found, ["image", *own, "error", "notes"], own)


def _shown(row: ResultSummary, asked: Asked) -> dict[str, MetricInfo]:
    wanted = asked.get(row.protocol, ())
    return {name: info for name, info in row.metrics.items() if name in wanted or info.aggregate_of in wanted}


def _frame(found: Sequence[Mapping[str, Any]], names: Sequence[str], metrics: Collection[str]) -> pandas.DataFrame:
    import pandas

    numbers = {*metrics, *(cost.name for cost in COSTS)}
    frame = pandas.DataFrame(found, columns=list(names))
    return frame.astype({name: "float64" for name in names if name in numbers})
