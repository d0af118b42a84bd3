"""AdaFace's network, on random weights under the published names, against plain functions in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from facesr_bench.base.errors import WeightsError
from facesr_bench.evaluation.metrics import Setup, find_metrics
from facesr_bench.evaluation.scorer import Scorer
from facesr_bench.faces.adaface import AdaFaceEmbedder, AdaFaceNetwork
from facesr_bench.faces.alignment import ARCFACE_112, FFHQ_512, align
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins.profile import get_profile
from facesr_bench.plugins.sample import Sample
from facesr_bench.results.columns import aggregates_of, metric_infos, total
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.record import MetricRecord
from facesr_bench.weights import read_state_dict, write_random
from tests.metric_tools import load_metric

Weights = dict[str, Any]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the authors save it: under `model.`, beside what the training's loss has."""
    folder = tmp_path_factory.mktemp("adaface")
    held = torch.load(write_random(AdaFaceNetwork(), folder / "plain.pth"), weights_only=True)
    state = {f"model.{name}": tensor for name, tensor in held.items()} | {"head.kernel": torch.ones(512, 7)}
    torch.save({"epoch": 25, "state_dict": state}, folder / "adaface_ir50_ms1mv2.ckpt")
    return folder / "adaface_ir50_ms1mv2.ckpt"


def by_hand(w: Weights, x: Any) -> Any:
    """112x112 to 512 numbers: 3, 4, 14 and 3 blocks, the first of each stage strided."""

    def norm(name: str, x: Any) -> Any:
        mean, variance = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        scale, shift = w.get(f"{name}.weight"), w.get(f"{name}.bias")
        return functional.batch_norm(x, mean, variance, scale, shift, eps=1e-5)

    def convolved(name: str, x: Any, stride: int = 1) -> Any:
        weight = w[f"{name}.weight"]
        return functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    x = functional.prelu(norm("input_layer.1", convolved("input_layer.0", x)), w["input_layer.2.weight"])
    for number in range(24):
        name, stride = f"body.{number}", 2 if number in {0, 3, 7, 21} else 1
        projected = f"{name}.shortcut_layer.0.weight" in w
        assert projected == (number in {3, 7, 21})
        beside = convolved(f"{name}.shortcut_layer.0", x, stride) if projected else x[:, :, ::stride, ::stride]
        beside = norm(f"{name}.shortcut_layer.1", beside) if projected else beside
        inner = convolved(f"{name}.res_layer.1", norm(f"{name}.res_layer.0", x))
        inner = functional.prelu(norm(f"{name}.res_layer.2", inner), w[f"{name}.res_layer.3.weight"])
        x = norm(f"{name}.res_layer.5", convolved(f"{name}.res_layer.4", inner, stride)) + beside
    x = norm("output_layer.0", x).flatten(1)
    x = x @ w["output_layer.3.weight"].T + w["output_layer.3.bias"]
    return norm("output_layer.4", x)[0].numpy()


def test_the_similarity_is_ntires(file: Path, astronaut: Image8) -> None:
    lq = resize(astronaut, (512, 512))
    sr = resize(resize(lq, (40, 40)), (512, 512))
    metric = load_metric(f"identity-adaface@ir50-ms1mv2={file}", "basicsr-rgb", 1)
    metric.load()
    scorer = Scorer([metric])
    found = scorer.score(sr, scorer.prepare(Sample("a", lq, None, aligned="ffhq"))).metrics[metric.key]

    w = {name.removeprefix("model."): tensor.double() for name, tensor in read_state_dict(file).items()}
    embeddings = []
    for picture in (lq, sr):
        face = align(picture, FFHQ_512.points.astype(np.float64), ARCFACE_112)
        bgr = (face[..., ::-1] / 255 - 0.5) / 0.5
        embedding = by_hand(w, torch.from_numpy(np.ascontiguousarray(bgr.transpose(2, 0, 1)))[None])
        embeddings.append(embedding / np.linalg.norm(embedding))
    assert found == pytest.approx(float(embeddings[0] @ embeddings[1]), abs=1e-5)
    assert found < 0.9999


def test_the_share_below_a_limit_is_a_column_where_it_is_asked_for() -> None:
    setup = Setup(get_profile("basicsr-rgb"), 1)
    names = ["identity-adaface", "identity-adaface:below-0.25", "identity-adaface:below-0.6"]
    assert [m.describe()["aggregates"] for m in find_metrics(names, setup)] == [["below-0.25", "below-0.6"]]
    assert [m.describe()["aggregates"] for m in find_metrics(names[:1], setup)] == [[]]

    record = MetricRecord(title="Identity", higher_is_better=True, aggregates=("below-0.25",), version=1)
    values = {"a": 0.1, "b": 0.25, "c": 0.9}
    rows = [ImageRecord(id=name, metrics={"identity-adaface": value}) for name, value in values.items()]
    rows.append(ImageRecord(id="d", reasons={"identity-adaface": "no face"}, undetected=["identity-adaface"]))
    infos = metric_infos({"identity-adaface": record}, rows)
    share = infos["identity-adaface:below-0.25"]
    assert share.header == "Identity below 0.25 (%) ↓" and aggregates_of(infos["identity-adaface"]) == [share]
    assert total(infos, rows, {}).means[share.name] == 50.0, "a face that was not found counts as below"


def test_another_network_is_refused(tmp_path: Path) -> None:
    torch.save({"model.conv.weight": torch.zeros(3)}, tmp_path / "other.ckpt")
    with pytest.raises(WeightsError, match="these are not weights of AdaFace's IR-50"):
        AdaFaceEmbedder(tmp_path / "other.ckpt")
