"""FID and KID in a run and for two folders, on Inception with random weights: one value per set, of kept features."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import facesr_bench
from facesr_bench.base.errors import MetricError
from facesr_bench.cli import main
from facesr_bench.evaluation import request, set_metrics
from facesr_bench.evaluation import run as runner
from facesr_bench.functional.frechet import frechet_distance
from facesr_bench.functional.inception import Inception
from facesr_bench.functional.kernel import kid
from facesr_bench.images.files import Image8, read_image
from facesr_bench.plugins import registry as plugins
from facesr_bench.plugins.metric import Unavailable
from facesr_bench.report.tables.render import render
from facesr_bench.results.arrays import References
from facesr_bench.results.store import Result
from facesr_bench.results.summary import summarise
from tests.metric_tools import load_metric
from tests.stored import newest_results


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def options(inception_weights: Path, faces: Path, tmp_path: Path) -> request.RunRequest:
    network = f"@inception-2015={inception_weights}"
    return request.RunRequest(
        methods=("bicubic",),
        protocols=("folder-x8",),
        data={"folder": faces},
        out=tmp_path / "out",
        limit=3,
        metrics=("psnr", f"fid[clean]{network}", f"kid[clean]{network}"),
    )


def only(report: request.RunOutcome) -> Result:
    assert report.problems == []
    return report.results[0]


def entry(result: Result, start: str) -> dict[str, Any]:
    return next(value for key, value in result.sets().items() if key.startswith(start))


def pictures(folder: Path) -> list[Image8]:
    return [read_image(path) for path in sorted(folder.glob("*.png"))]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by how many images Inception is given, at each call from now on."""
    calls: list[int] = []
    features = Inception.features

    def features_counted(self: Inception, images: Any, *more: Any) -> Any:
        calls.append(len(images))
        return features(self, images, *more)

    monkeypatch.setattr(Inception, "features", features_counted)
    return calls


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_values_equal_those_by_hand(options: request.RunRequest, inception_weights: Path) -> None:
    result = only(runner.run(options))
    network = Inception(inception_weights)
    sr = network.features(pictures(result.folder / "sr"), "clean")
    hr = network.features(pictures(result.inputs_folder / "hr"), "clean")
    found = entry(result, "fid[clean]")
    assert found["value"] == pytest.approx(frechet_distance(sr, hr), rel=1e-6)
    assert (found["n"], found["reference"]) == (3, "HR")
    by_hand = kid(sr, hr)
    assert entry(result, "kid[clean]")["value"] == pytest.approx(by_hand.value, rel=1e-6)
    assert entry(result, "kid[clean]")["standard_error"] == pytest.approx(by_hand.standard_error, rel=1e-6)
    assert len(list((result.folder / "features").iterdir())) == 1, "both read the same features"


def test_batch_workers_and_interruption_change_nothing(options: request.RunRequest, tmp_path: Path) -> None:
    expected = only(runner.run(options)).sets()
    for name, change in {
        "batch of one": {"batch_size": 1},
        "batch of sixteen": {"batch_size": 16, "workers": 1},
        "many workers": {"workers": 4},
    }.items():
        other = dataclasses.replace(options, out=tmp_path / name, **change)  # type: ignore[arg-type]
        assert only(runner.run(other)).sets() == expected, name
    stopped = dataclasses.replace(options, out=tmp_path / "stopped", limit=2)
    assert entry(only(runner.run(stopped)), "fid")["n"] == 2
    assert only(runner.run(dataclasses.replace(stopped, limit=3))).sets() == expected


def test_the_number_of_threads_changes_nothing(options: request.RunRequest, tmp_path: Path) -> None:
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(only(runner.run(dataclasses.replace(options, out=tmp_path / str(threads)))).sets())
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_fid_against_hr_and_against_a_named_set_stand_side_by_side(
    options: request.RunRequest, inception_weights: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "faces.npz", mu=rng.random(2048), sigma=np.diag(rng.random(2048)))
    network = f"@inception-2015={inception_weights}"
    both = dataclasses.replace(
        options,
        metrics=(f"fid[clean:hr]{network}", f"fid[clean:faces]{network}"),
        fid_reference=("faces", tmp_path / "faces.npz"),
    )
    result = only(runner.run(both))
    against_hr, against_faces = entry(result, "fid[clean]"), entry(result, "fid[clean:faces]")
    inception = Inception(inception_weights)
    sr = inception.features(pictures(result.folder / "sr"), "clean")
    hr = inception.features(pictures(result.inputs_folder / "hr"), "clean")
    assert (against_hr["reference"], against_faces["reference"]) == ("HR", "faces")
    assert against_hr["value"] == pytest.approx(frechet_distance(sr, hr), rel=1e-6)
    assert against_faces["value"] != pytest.approx(against_hr["value"], rel=0.1)
    markdown = render(summarise([result]), "markdown")
    assert "FID clean" in markdown and "vs faces" in markdown


def test_small_sets_are_not_bare_numbers(options: request.RunRequest, capsys: pytest.CaptureFixture[str]) -> None:
    rows = summarise([only(runner.run(options))])
    fid = next(info for name, info in rows[0].metrics.items() if name.startswith("fid"))
    kid_info = next(info for name, info in rows[0].metrics.items() if name.startswith("kid"))
    assert rows[0].qualifier(fid) == " (n = 3)"
    assert rows[0].qualifier(kid_info).startswith(" ± ") and rows[0].qualifier(kid_info).endswith("(n = 3)")
    for text in (render(rows, "markdown"), render(rows, "latex")):
        assert " (n = 3)" in text or "~(n = 3)" in text
    from rich.console import Console

    from facesr_bench.report.tables.terminal import print_tables

    print_tables(rows, Console(width=120))
    assert "(n = 3)" in capsys.readouterr().out


def test_named_reference(options: request.RunRequest, inception_weights: Path, tmp_path: Path) -> None:
    """Statistics of another set name the column; KID says why it can't use them; without HR they are all there is."""
    result = only(runner.run(options))
    network = Inception(inception_weights)
    hr = network.features(pictures(result.inputs_folder / "hr"), "clean").astype(np.float64)
    file = tmp_path / "ours.npz"
    np.savez(file, mu=hr.mean(axis=0), sigma=np.cov(hr, rowvar=False))
    again = dataclasses.replace(options, fid_reference=("ours", file))
    set_metrics = only(runner.run(again)).sets()
    key = next(key for key in set_metrics if key.startswith("fid[clean:ours]"))
    assert set_metrics[key]["value"] == pytest.approx(entry(result, "fid[clean]@")["value"], rel=1e-6)
    assert set_metrics[key]["reference_sha256"]
    assert "features of the reference" in next(
        v["reason"] for k, v in set_metrics.items() if k.startswith("kid[clean:ours]")
    )
    blind = dataclasses.replace(again, protocols=("folder-lr-x8",), out=tmp_path / "blind")
    assert entry(only(runner.run(blind)), "fid[clean:ours]")["n"] == 3
    unnamed = dataclasses.replace(blind, fid_reference=None, out=tmp_path / "unnamed")
    assert "--fid-reference NAME=FILE" in entry(only(runner.run(unnamed)), "fid[clean]")["reason"]


def test_missing_network_is_a_reason_that_a_later_run_mends(options: request.RunRequest) -> None:
    without = dataclasses.replace(options, metrics=("psnr", "fid"))
    report = runner.run(without)
    reason = only(report).sets()["fid[pytorch-fid]"]["reason"]
    assert reason == "needs weights `fid-inception`: facesr-bench weights fetch fid-inception"
    assert runner.run(without).computed == 0
    row = summarise(report.results)[0]
    assert "fid[pytorch-fid]" not in row.means and any(reason in note for note in row.notes())
    assert entry(only(runner.run(options)), "fid[clean]")["value"] > 0


def test_a_new_version_computes_features_anew(
    options: request.RunRequest, inception_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither features of an older version nor a value made of them is taken for the new one's."""
    options = dataclasses.replace(options, metrics=options.metrics and options.metrics[1:2])
    key = next(iter(only(runner.run(options)).sets()))
    registry = plugins.metrics()
    plugin = registry.get("fid")
    raised = dataclasses.replace(plugin, card=plugin.require_card().model_copy(update={"version": 99}))
    others = plugins.Registry("metric", [raised if p is plugin else p for p in registry.plugins])
    monkeypatch.setattr("facesr_bench.plugins.spec.metrics", lambda: others)
    calls = counted(monkeypatch)
    found = only(runner.run(options)).sets()[key]
    assert found["version"] == 99 and len(calls) == 6


def test_a_known_value_stays_without_the_network_if_it_is_still_the_value(
    options: request.RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert options.metrics is not None
    result = only(runner.run(options))
    references = References(result.inputs_folder / "references")
    context = load_metric(options.metrics[1], "sparnet", 8).context
    metric = Unavailable(context, MetricError("its file is gone"), {})
    before = result.sets()[metric.key]
    set_metrics.update(result, [metric], references)
    assert result.sets()[metric.key] == before
    newer = dataclasses.replace(context, card=context.card.model_copy(update={"version": 99}))
    set_metrics.update(result, [dataclasses.replace(metric, context=newer)], references)
    assert result.sets()[metric.key] == {"reason": "its file is gone"}, "computed by another version"
    result.save_sets({metric.key: before})
    del result.images["face0"]
    set_metrics.update(result, [metric], references)
    assert result.sets()[metric.key] == {"reason": "its file is gone"}, "computed from other images"


def test_wrong_names_are_told(options: request.RunRequest, tmp_path: Path) -> None:
    with pytest.raises(MetricError, match="did you mean 'clean'"):
        runner.run(dataclasses.replace(options, metrics=("fid[cleam]",)))
    with pytest.raises(MetricError, match="psnr has no variants"):
        runner.run(dataclasses.replace(options, metrics=("psnr[clean]",)))
    with pytest.raises(MetricError, match="no such file"):
        runner.run(dataclasses.replace(options, fid_reference=("ours", tmp_path / "none.npz")))
    assert main(["run", "--methods", "bicubic", "--fid-reference", "nonsense", "--out", str(tmp_path / "x")]) == 2


def test_two_folders(
    options: request.RunRequest,
    inception_weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`score` gives what a run gives, and goes on where one metric can't be computed."""
    result = only(runner.run(options))
    folders = ["score", "--sr", str(result.folder / "sr"), "--hr", str(result.inputs_folder / "hr")]
    spec = f"fid[clean]@inception-2015={inception_weights}"
    assert main([*folders, "--metrics", f"psnr,{spec},lpips", "--out", str(tmp_path / "scores.csv")]) == 1
    told = capsys.readouterr()
    assert f"{entry(result, 'fid[clean]')['value']:.2f} (n = 3)" in told.out
    assert "weights fetch lpips-alex" in told.err
    frame_mean = np.mean([row.metrics["psnr"] for row in result.rows().values()])
    assert f" {frame_mean:.2f} " in told.out
    assert (tmp_path / "scores.csv").read_text().splitlines()[0] == "image,psnr,lpips"
    calls = counted(monkeypatch)
    assert main([*folders, "--metrics", f"{spec},{spec.replace('fid', 'kid', 1)}"]) == 0
    assert len(calls) == 6, "FID and KID read the same features"


def test_api_takes_a_reference(options: request.RunRequest, faces: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(50, 2048))
    file = tmp_path / "noise.npz"
    np.savez(file, mu=features.mean(axis=0), sigma=np.cov(features, rowvar=False))
    frame = facesr_bench.run(
        ["bicubic"],
        ["folder-x8"],
        data={"folder": faces},
        out=tmp_path / "api",
        metrics=options.metrics,
        fid_reference=("noise", file),
        limit=3,
    ).frame
    assert any(column.startswith("fid[clean:noise]@inception-2015:") for column in frame.columns)
    manifest = newest_results(tmp_path / "api")[0].manifest
    assert [metric.of for metric in manifest.metrics.values()].count("set") == 2
