"""LPIPS, identity and NME inside a run: real networks where they lie beside the checkout, clear reasons where not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import facesr_bench
from facesr_bench import api
from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.evaluation import request
from facesr_bench.evaluation import run as runner
from facesr_bench.faces.alignment import align
from facesr_bench.faces.embedder import EMBEDDERS, Embedder, cosine
from facesr_bench.faces.points import five_points
from facesr_bench.images.files import read_image
from facesr_bench.plugins.spec import parse_metric
from tests.metric_tools import load_metric
from tests.stored import newest_results

N = 6


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))


def metrics_of(shared: Path) -> dict[str, str]:
    """Metric specs with the real networks, by short name."""
    folder = shared / "weights"
    return {
        "lpips": f"lpips@squeeze={folder / 'squeezenet1_1_features.pth'}",
        "identity": f"identity@mobilefacenet-ms1m={folder / 'mobilefacenet_arcface_ms1m.onnx'}",
        "nme": f"nme@pfld-68={folder / 'pfld_68.onnx'}",
    }


def test_real_networks_in_a_run(shared: Path, tmp_path: Path) -> None:
    """Identity ranks bicubic over nearest on faces; LPIPS and identity equal a computation by hand."""
    specs = metrics_of(shared)
    arguments = {
        "methods": ["bicubic", "nearest"],
        "protocols": ["helen-x8"],
        "data": {"helen": shared / "faces" / "helen_test"},
        "limit": N,
        "metrics": ["psnr", *specs.values()],
        "out": tmp_path / "out",
    }
    scores = facesr_bench.run(**arguments)  # type: ignore[arg-type]
    frame = scores.frame
    keys = {short: next(c for c in frame.columns if c.startswith(f"{short}@")) for short in specs}
    bicubic, nearest = (frame[frame["method"] == name].iloc[0] for name in ("bicubic", "nearest"))
    assert bicubic["n"] == nearest["n"] == N and not scores.problems
    assert bicubic[keys["identity"]] > nearest[keys["identity"]]
    # Which of the two has the lower NME depends on the detector: PFLD finds its way on blocks about as well as on blur.
    assert all(4 < row[keys["nme"]] < 40 for row in (bicubic, nearest))
    assert 0.1 < bicubic[keys["lpips"]] < 0.9
    again = facesr_bench.run(**{**arguments, "batch_size": 1, "out": tmp_path / "again"}).frame  # type: ignore[arg-type]
    for key in keys.values():
        assert np.allclose(frame[key], again[key], rtol=0, atol=1e-6)

    result = next(r for r in newest_results(tmp_path / "out") if r.method == "bicubic")
    image_id, row = next(iter(result.rows().items()))
    pairs = [read_image(p) for p in (result.sr_path(image_id), result.inputs_folder / "hr" / f"{image_id}.png")]
    by_hand = api.score(pairs[0], pairs[1], [specs["lpips"]])
    assert by_hand[keys["lpips"]] == pytest.approx(row.metrics[keys["lpips"]], abs=1e-6)

    from facesr_bench.data.prepare import prepare
    from facesr_bench.data.sources import open_dataset
    from facesr_bench.plugins.degradation import find_degradation, make_degradation

    dataset, protocol = open_dataset("helen-x8", {"helen": shared / "faces" / "helen_test"})
    item = next(i for i in dataset.items(protocol) if i.id == image_id)
    how = make_degradation(find_degradation(str(protocol.degradation)), protocol.scale)
    sample = prepare(item.id, dataset.read(item, protocol), protocol, how)
    assert sample.hr is not None and sample.landmarks is not None
    embedder = Embedder(EMBEDDERS.get("mobilefacenet-ms1m"), shared / "weights" / "mobilefacenet_arcface_ms1m.onnx")
    points = five_points(sample.landmarks)
    embeddings = [embedder.embed(align(image, points)[None]) for image in (pairs[0], sample.hr)]
    assert float(cosine(*embeddings)[0]) == pytest.approx(row.metrics[keys["identity"]], abs=1e-6)


def test_each_picture_is_embedded_once(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the cosine and the angle together, of SR and of HR; a second method embeds its own pictures only."""
    calls: list[int] = []
    embed = Embedder.embed

    def counted(self: Any, faces: Any) -> Any:
        calls.append(len(faces))
        return embed(self, faces)

    monkeypatch.setattr(Embedder, "embed", counted)
    network = f"@mobilefacenet-ms1m={shared / 'weights' / 'mobilefacenet_arcface_ms1m.onnx'}"
    options = request.RunRequest(
        ("bicubic",),
        ("demo-x8",),
        limit=2,
        out=tmp_path / "out",
        metrics=(f"identity{network}", f"identity-degrees{network}"),
    )
    assert runner.run(options).problems == []
    assert len(calls) == 4
    assert runner.run(request.RunRequest(**{**vars(options), "methods": ("nearest",)})).problems == []
    assert len(calls) == 6


def test_missing_network_is_a_reason_and_not_a_failure(tmp_path: Path) -> None:
    """The run goes on; a second one computes nothing; nothing is downloaded."""
    options = request.RunRequest(
        ("bicubic",), ("demo-x8",), limit=2, out=tmp_path / "out", metrics=("psnr", "lpips", "nme")
    )
    report = runner.run(options)
    assert report.problems == []
    for row in report.results[0].rows().values():
        assert "psnr" in row.metrics
        assert row.reasons["lpips"] == "needs weights `lpips-alex`: facesr-bench weights fetch lpips-alex"
        assert "facesr-bench weights fetch 2dfan4" in row.reasons["nme"]
    assert runner.run(options).computed == 0


def test_network_that_arrives_later_is_used(shared: Path, tmp_path: Path) -> None:
    options = request.RunRequest(
        ("bicubic",), ("demo-x8",), limit=1, out=tmp_path / "out", metrics=("psnr", "lpips@squeeze")
    )
    assert "lpips@squeeze" in next(iter(runner.run(options).results[0].rows().values())).reasons
    spec = metrics_of(shared)["lpips"]
    report = runner.run(request.RunRequest(**{**vars(options), "metrics": ("psnr", spec)}))
    row = next(iter(report.results[0].rows().values()))
    assert any(key.startswith("lpips@squeeze:") for key in row.metrics)


def test_landmarks_are_asked_for(shared: Path, faces: Path, tmp_path: Path) -> None:
    spec = metrics_of(shared)["nme"]
    options = request.RunRequest(
        ("bicubic",), ("folder-x8",), {"folder": faces}, limit=1, out=tmp_path / "out", metrics=(spec,)
    )
    reasons = next(iter(runner.run(options).results[0].rows().values())).reasons
    assert list(reasons.values()) == ["needs landmarks, which this protocol does not have"]


def test_wrong_networks_are_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="did you mean 'squeeze'"):
        parse_metric("lpips@squeez")
    with pytest.raises(WeightsError, match="no network of psnr"):
        parse_metric("psnr@alex")
    with pytest.raises(WeightsError, match="no such file"):
        load_metric(f"lpips@vgg={tmp_path}/x.pth", "sparnet", 8)
    picture = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(MetricError, match="weights fetch lpips-alex"):
        api.score(picture, picture, ["lpips"])
