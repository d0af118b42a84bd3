"""The engine names no particular metric, method or dataset: what it needs to know of one stands in the card."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from facesr_bench.plugins import registry

PACKAGE = Path(__file__).parents[2] / "facesr_bench"

# functional/ is the metrics' own arithmetic.
METRICS_LIVE = ("metrics/", "functional/")
METRICS_MAY = {
    "api.py": {"psnr", "ssim"},  # the default of `score`
    "evaluation/request.py": {"psnr", "ssim"},  # likewise
    "cli/score.py": {"psnr", "ssim"},  # likewise
    "base/schema1.py": ...,  # what old results say, which no card can
    "results/columns.py": {"psnr", "ssim"},  # columns that scripts rely on in every csv
    "results/image_record.py": {"identity"},  # the person that a picture shows
    "results/frames.py": {"identity"},  # likewise
    "results/samples.py": {"identity"},  # likewise
    "report/maps.py": {"psnr", "ssim"},  # error maps are those of functional.psnr and .ssim: their tables of a profile
    "plugins/cards.py": {"identity"},  # a family of metrics
    "report/site/scatter.py": {"identity"},  # likewise
    "report/figures/plots.py": {"identity"},  # likewise
    "report/figures/data.py": {"psnr"},  # a training's own validation
    "weights/download.py": {"identity"},  # HTTP's word for an encoding
    "training/trainer.py": {"psnr"},  # the training's own validation
    "training/export.py": {"psnr"},  # likewise
    "results/training.py": {"psnr"},  # likewise, in its log
}
NO_ENGINE = ("degradations/", "evaluation/adoption.py")
"""Plug-ins too, which name ways to resize; and what old results were made by, which no card can say."""
METHODS_MAY = {
    "api.py": {"sparnet"},  # the default profile of `score`
    "cli/score.py": {"sparnet"},  # likewise
    "evaluation/request.py": {"sparnet"},  # likewise
    "evaluation/conformance/metrics.py": {"sparnet"},  # the profile under which metrics are tried
    "evaluation/backend.py": {"onnx"},  # a library, and the extra that installs it
    "faces/network.py": {"onnx"},  # what a metric's network of the user's own is called
    "metrics/identity/metric.py": {"onnx"},  # likewise
    "functional/inception.py": {"bilinear"},  # a way to resize
    "functional/lpips.py": {"bilinear"},  # likewise
    "faces/awing.py": {"nearest"},  # likewise
    "functional/niqe.py": {"nearest"},  # a way to go on beyond the border
    "training/recipe.py": {"sparnethd"},  # a degradation of the same name
}
WORDS = {"bicubic", "images", "command", "input", "folder"}
"""Also what a method is given or a metric needs, and a degradation; also ordinary words: allowed anywhere."""


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Every string in the code, with its line: no docstring and nothing that is only read by people."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.lineno, node.value


def named(names: set[str], live: tuple[str, ...] = ()) -> Iterator[tuple[str, int, str]]:
    """(file, line, name) wherever a string is one of the names, a list of them, or one with what may follow it."""
    for path in sorted(PACKAGE.rglob("*.py")):
        file = path.relative_to(PACKAGE).as_posix()
        if file.startswith(live):
            continue
        for line, text in strings(path):
            for part in [] if re.search(r"\s", text) else text.split(","):
                if (name := re.split(r"[\[@:]", part)[0]) in names:
                    yield file, line, name


def test_no_metric_is_named_outside_of_the_metrics() -> None:
    names = {plugin.name for plugin in registry.metrics().plugins if plugin.source == "built in"}
    assert {"psnr", "lpips", "fid"} <= names
    found = [
        f"{file}:{line}: {name}"
        for file, line, name in named(names, METRICS_LIVE)
        if METRICS_MAY.get(file) is not ... and name not in METRICS_MAY.get(file, set())  # type: ignore[operator]
    ]
    assert not found, "what the engine must know of a metric belongs in its card"


@pytest.mark.parametrize("kind", ["method", "dataset"])
def test_no_method_or_dataset_is_named(kind: str) -> None:
    plugins = registry.methods().plugins if kind == "method" else registry.datasets().plugins
    names = {plugin.name for plugin in plugins if plugin.source == "built in"}
    assert {"method": "sparnet", "dataset": "helen"}[kind] in names
    may = METHODS_MAY if kind == "method" else {}
    found = [
        f"{f}:{line}: {name}"
        for f, line, name in named(names, NO_ENGINE)
        if name not in WORDS and name not in may.get(f, set())
    ]
    assert not found, "what the engine must know of a plug-in belongs in its card"


def test_the_check_sees_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some.py").write_text(
        '"""psnr"""\nif name == "psnr" or name in ("a", "lpips@vgg"):\n    x = "psnr rises"\n'
    )
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    assert [(line, name) for _, line, name in named({"psnr", "lpips"})] == [(2, "psnr"), (2, "lpips")]
