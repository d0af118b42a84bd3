"""Identity and landmark metrics in a run and on folders: real networks, dlib's where no other is at hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesr_bench.api import score
from facesr_bench.base.errors import CardError, MetricError
from facesr_bench.cli import main
from facesr_bench.evaluation import request
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.metrics import Setup, find_metric
from facesr_bench.faces import dlib_models
from facesr_bench.images.files import read_image
from facesr_bench.plugins.cards import validate
from facesr_bench.plugins.profile import Profile, get_profile
from facesr_bench.results.columns import metric_infos, total
from facesr_bench.results.curves import auc, failure_rate
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.record import MetricRecord
from facesr_bench.results.store import Result
from facesr_bench.results.summary import summarise

needs_dlib = pytest.mark.skipif(dlib_models.why_missing() is not None, reason="needs the extra `dlib`")


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No files in the store."""
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))


def demo(tmp_path: Path, *metrics: str, **others: Any) -> request.RunRequest:
    return request.RunRequest(("bicubic",), ("demo-x8",), out=tmp_path / "out", metrics=metrics, **others)


def values(result: Result, key: str) -> list[float]:
    return [row.metrics[key] for row in result.rows().values()]


@needs_dlib
def test_a_machine_without_weights_has_identity_and_landmarks(tmp_path: Path) -> None:
    """The default run: PSNR, SSIM and dlib's numbers for real, and a reason for each of the others."""
    report = runner.run(request.RunRequest(("bicubic", "nearest"), ("demo-x8",), out=tmp_path / "out"))
    assert report.problems == []
    rows = {row.label: row for row in summarise(report.results)}
    for row in rows.values():
        assert row.n == 7 and {"psnr", "ssim", "identity-dlib", "nme-dlib"} <= row.means.keys()
        for key, name in (("lpips", "lpips-alex"), ("identity", "arcface"), ("nme", "2dfan4")):
            assert list(row.reasons[key]) == [f"needs weights `{name}`: facesr-bench weights fetch {name}"]
    assert rows["bicubic"].means["identity-dlib"] < rows["nearest"].means["identity-dlib"]


@needs_dlib
def test_truth_against_itself(tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """HR scored against HR: distance 0, error 0; a picture without a face is counted, and costs itself alone."""
    folder = tmp_path / "hr"
    folder.mkdir()
    from skimage import data

    portrait = Image.fromarray(data.astronaut()[0:224, 112:336])  # type: ignore[no-untyped-call]
    portrait.save(folder / "face.png")
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    out = tmp_path / "scores.csv"
    arguments = ["score", "--sr", str(folder), "--hr", str(folder), "--metrics", "identity-dlib,nme-hr-dlib"]
    assert main([*arguments, "--out", str(out)]) == 1
    assert out.read_text().splitlines()[1:] == ["face,0.0,0.0", "noise,,"]
    told = capsys.readouterr()
    assert "dlib-hog found no face in the 128x128 picture (1 of 2 pictures)" in told.err
    # Half of the faces were found without any error, the other half not at all.
    assert "failures@8" in told.out and told.out.count("50.00") == 4, "two areas, two rates"


@needs_dlib
def test_curve_columns_are_made_of_all_values(tmp_path: Path) -> None:
    result = runner.run(demo(tmp_path, "nme-dlib")).results[0]
    row = summarise([result])[0]
    errors = values(result, "nme-dlib")
    assert row.means["nme-dlib:auc-8"] == pytest.approx(100 * auc(errors, 8.0))
    assert row.means["nme-dlib:failure-10"] == pytest.approx(100 * failure_rate(errors, 10.0))
    assert row.metrics["nme-dlib:auc-8"].higher_is_better and not row.metrics["nme-dlib:failure-8"].higher_is_better


@needs_dlib
def test_what_depends_on_the_truth_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second method embeds its own images and no truth; a truncated file is computed again."""
    first = runner.run(demo(tmp_path, "identity-dlib", "nme-hr-dlib")).results[0]
    kept = sorted((first.inputs_folder / "references").rglob("*.npy"))
    assert len(kept) == 21, "an embedding, landmarks and a rectangle of each face"
    kept[0].write_bytes(kept[0].read_bytes()[:50])
    calls = 0
    embed = dlib_models.DlibEmbedder.embed

    def counted(self: Any, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        return embed(self, *arguments)

    monkeypatch.setattr(dlib_models.DlibEmbedder, "embed", counted)
    options = dataclasses.replace(demo(tmp_path, "identity-dlib", "nme-hr-dlib"), methods=("lanczos",))
    assert runner.run(options).problems == []
    assert calls in {7, 8}  # 8 where the damaged file was an embedding
    assert sorted((first.inputs_folder / "references").rglob("*.npy")) == kept
    assert np.load(kept[0]).size > 0


@needs_dlib
def test_profiles_choose_alignment_and_normaliser(tmp_path: Path) -> None:
    """Each field changes the number that it should, under a profile of the user's own file."""
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "mine"\nsummary = "a test"\nquantise = "truncate"\n'
        '[pixels]\nchannel = "y-bt601"\nluma_rounding = "floor"\n'
        '[identity]\nalignment = "each"\n[nme]\nnormaliser = "box-diagonal"\n'
    )
    metrics = ("psnr", "identity-dlib", "nme-dlib")
    usual = runner.run(demo(tmp_path, *metrics)).results[0]
    mine = runner.run(demo(tmp_path, *metrics, profile=str(file))).results[0]
    assert mine.profile == "mine" and mine.manifest.profile.model_dump()["nme"] == {"normaliser": "box-diagonal"}
    assert values(mine, "psnr") == values(usual, "psnr")
    assert all(a < b for a, b in zip(values(mine, "nme-dlib"), values(usual, "nme-dlib"), strict=True))
    found = [row for row in mine.rows().values() if "identity-dlib" in row.metrics]
    lost = [row for row in mine.rows().values() if "identity-dlib" in row.undetected]
    assert found and len(found) + len(lost) == 7
    assert any(row.metrics["identity-dlib"] != usual.rows()[row.id].metrics["identity-dlib"] for row in found)


def test_profile_files_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text('[sparnet]\nsummary = "x"\nquantise = "round"\nchannel = "rgb"\n')
    with pytest.raises(MetricError, match="there is a profile 'sparnet' already"):
        get_profile(str(file))
    file.write_text('[x]\nsummary = "x"\nquantise = "round"\nchannel = "rgb"\nnme_average = "median"\n')
    with pytest.raises(CardError, match=r"nme\.average"):
        get_profile(str(file))
    file.write_text("[x]\n[y]\n")
    with pytest.raises(MetricError, match="begins with its name"):
        get_profile(str(file))


def test_identity_in_every_measure(shared: Path, tmp_path: Path) -> None:
    """Cosine and degrees of one embedding; two faces aligned each by itself; similarity to the input."""
    network = f"@mobilefacenet-ms1m={shared / 'weights' / 'mobilefacenet_arcface_ms1m.onnx'}"
    names = ("identity", "identity-degrees", "identity-lq")
    result = runner.run(demo(tmp_path, *(name + network for name in names))).results[0]
    for row in result.rows().values():
        cosine, angle, to_input = (
            next(v for k, v in row.metrics.items() if k.startswith(f"{name}@")) for name in names
        )
        assert angle == pytest.approx(np.degrees(np.arccos(cosine)), abs=1e-6)
        # bicubic is the input at another size, but for the rounding: identical here, since both are Pillow's.
        assert to_input == pytest.approx(1.0, abs=1e-6)
        assert cosine < 0.6


def two_faces(shared: Path, place: Path) -> tuple[Path, Path]:
    """A folder of two faces without points, and a profile that finds faces by YuNet."""
    folder = place / "faces"
    folder.mkdir()
    for path in sorted((shared / "faces" / "lfw_heldout").rglob("*.jpg"))[:2]:
        Image.open(path).crop((61, 61, 189, 189)).save(folder / f"{path.stem}.png")
    file = place / "mine.toml"
    file.write_text('[mine]\nsummary = "x"\nquantise = "round"\nchannel = "rgb"\nface_detector = "yunet"\n')
    return folder, file


def test_the_order_of_metrics_changes_no_number(shared: Path, tmp_path: Path) -> None:
    """Where nothing is annotated, the points of HR and of the input are each found on that very picture."""
    folder, file = two_faces(shared, tmp_path)
    assert main(["weights", "import", str(shared / "weights" / "yunet_n_640_640.onnx")]) == 0
    network = f"@mobilefacenet-ms1m={shared / 'weights' / 'mobilefacenet_arcface_ms1m.onnx'}"
    specs = [f"identity{network}", f"identity-lq{network}"]
    found = []
    for number, metrics in enumerate((specs, specs[::-1])):
        options = request.RunRequest(
            ("bicubic",),
            ("folder-face-x8",),
            data={"folder": folder},
            out=tmp_path / str(number),
            metrics=tuple(metrics),
            profile=str(file),
        )
        found.append({image_id: row.metrics for image_id, row in runner.run(options).results[0].rows().items()})
    assert found[0] == found[1] and all(len(metrics) == 2 for metrics in found[0].values())


def test_missing_detector_is_told_and_mended(shared: Path, tmp_path: Path) -> None:
    """A dataset without points asks for the detector's file; once it is imported, the same command goes on."""
    folder, file = two_faces(shared, tmp_path)
    spec = f"identity@mobilefacenet-ms1m={shared / 'weights' / 'mobilefacenet_arcface_ms1m.onnx'}"
    options = request.RunRequest(
        ("bicubic",),
        ("folder-face-x8",),
        data={"folder": folder},
        out=tmp_path / "out",
        metrics=("psnr", spec),
        profile=str(file),
    )
    report = runner.run(options)
    assert report.problems == []
    for row in report.results[0].rows().values():
        assert "yunet" in next(iter(row.reasons.values()))
    assert runner.run(options).computed == 0, "nothing to gain until the file is there"
    assert main(["weights", "import", str(shared / "weights" / "yunet_n_640_640.onnx")]) == 0
    again = runner.run(options)
    assert again.computed == 2
    for row in again.results[0].rows().values():
        assert not row.reasons and -1 <= next(v for k, v in row.metrics.items() if k != "psnr") <= 1


@pytest.mark.parametrize(
    ("angles", "mean", "left_out"),
    [([10.0, 20.0], 15.0, 0), ([0.2, 30.0, 40.0, 0.99], 35.0, 2), ([1.0], 1.0, 0), ([0.2, 0.0], None, 0)],
)
def test_vqfr_witness_leaves_small_angles_out(angles: list[float], mean: float | None, left_out: int) -> None:
    """TencentARC/VQFR@1245d42:metric_paper/calculate_cos_dist.py: pairs under 1 degree; here they are counted."""
    key = "identity-vqfr"
    metric = find_metric(key, Setup(get_profile("sparnet"), 8))
    infos = metric_infos({key: MetricRecord.model_validate(metric.describe())}, [])
    totals = total(infos, [ImageRecord(str(i), {key: angle}) for i, angle in enumerate(angles)], {})
    assert totals.means.get(key) == mean
    assert totals.left_out.get(key, 0) == left_out
    assert (key in totals.reasons) == (mean is None)


def test_vqfr_network_in_a_run(tmp_path: Path) -> None:
    """Random weights of the right shapes: the whole gray picture decides, no landmarks are needed."""
    import torch

    from facesr_bench.faces.vqfr_network import VqfrNetwork

    torch.manual_seed(0)
    file = tmp_path / "resnet18.pth"
    torch.save(VqfrNetwork().state_dict(), file)
    result = runner.run(demo(tmp_path, f"identity-vqfr@resnet18-110={file}")).results[0]
    for row in result.rows().values():
        (angle,) = row.metrics.values()
        assert 0 < angle < 180


def test_batches_and_workers_change_no_learned_number(shared: Path, tmp_path: Path) -> None:
    """Real networks on Helen faces: batch 1 against 16, one against three workers, and the images in reverse."""
    weights = shared / "weights"
    specs = (
        "psnr",
        "ssim",
        f"lpips@squeeze={weights / 'squeezenet1_1_features.pth'}",
        f"identity@mobilefacenet-ms1m={weights / 'mobilefacenet_arcface_ms1m.onnx'}",
        f"nme@pfld-68={weights / 'pfld_68.onnx'}",
        f"nme-hr@pfld-68={weights / 'pfld_68.onnx'}",
    )
    helen = shared / "faces" / "helen_test"
    options = request.RunRequest(
        ("sparnet",),
        ("helen-x8",),
        {"helen": helen},
        limit=5,
        out=tmp_path / "a",
        metrics=specs,
        batch_size=1,
        workers=1,
    )
    expected = runner.run(options).results[0].rows()
    other = dataclasses.replace(options, out=tmp_path / "b", batch_size=16, workers=3)
    turned = runner.run(other).results[0].rows()
    some = dataclasses.replace(options, out=tmp_path / "c", limit=2)
    runner.run(some)
    resumed = runner.run(dataclasses.replace(some, limit=5)).results[0].rows()
    for found in (turned, resumed):
        assert found.keys() == expected.keys()
        for image_id, row in expected.items():
            assert len(row.metrics) == len(specs)
            assert found[image_id].metrics == pytest.approx(row.metrics, abs=1e-6)


def test_lpips_map_is_kept(shared: Path, tmp_path: Path) -> None:
    """Stored to 1/16384, equal to what `lpips` gives with spatial=True for the stored pictures."""
    from facesr_bench.functional.lpips import Lpips
    from facesr_bench.images.maps import read_map

    file = shared / "weights" / "squeezenet1_1_features.pth"
    result = runner.run(demo(tmp_path, f"lpips@squeeze={file}", limit=1)).results[0]
    (image_id,) = result.rows()
    (key,) = result.rows()[image_id].metrics
    network = Lpips("squeeze", file)
    sr, hr = read_image(result.sr_path(image_id)), read_image(result.inputs_folder / "hr" / f"{image_id}.png")
    expected = network.distance_with_map(network.prepare(sr), network.prepare(hr))[1]
    assert np.abs(read_map(result.metric_map_path(key, image_id)) - expected).max() < 1 / 16384


def test_lpips_of_the_truth_is_kept_where_small(tmp_path: Path) -> None:
    """AlexNet's layers (random weights: only the shapes matter) come back bit for bit; a foreign file is ignored."""
    import torch
    from torchvision.models import alexnet

    torch.manual_seed(0)
    file = tmp_path / "alex.pth"
    torch.save({k: v for k, v in alexnet(weights=None).state_dict().items() if k.startswith("features.")}, file)
    first = runner.run(demo(tmp_path, f"lpips@alex={file}", limit=2)).results[0]
    kept = sorted((first.inputs_folder / "references").rglob("*.npy"))
    assert len(kept) == 2 and all(path.stat().st_size < 2**20 for path in kept)
    np.save(kept[0], np.zeros(3, np.float32))
    rows = []
    for name, options in {
        "with kept layers": dataclasses.replace(demo(tmp_path, f"lpips@alex={file}", limit=2), methods=("nearest",)),
        "without": dataclasses.replace(demo(tmp_path / "new", f"lpips@alex={file}", limit=2), methods=("nearest",)),
    }.items():
        rows.append({i: row.metrics for i, row in runner.run(options).results[0].rows().items()})
        assert len(rows[-1]) == 2, name
    assert rows[0] == rows[1]


def test_lpips_follows_the_profile(shared: Path) -> None:
    """Input range and size are the profile's, and each changes the number."""
    from tests.metric_tools import load_metric

    rng = np.random.default_rng(1)
    pair = [rng.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(2)]
    spec = f"lpips@squeeze={shared / 'weights' / 'squeezenet1_1_features.pth'}"
    found = set()
    for change in ({}, {"range": "zero-one"}, {"size": 128}):
        table = {**get_profile("sparnet").canonical(), "lpips": change}
        metric = load_metric(spec, validate(Profile, table, Path("test")), 8)
        metric.load()
        found.add(round(metric.per_image(pair[0], metric.prepare(pair[1])), 6))
    assert len(found) == 3


def test_truth_against_itself_with_real_networks(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """LPIPS 0, identity 1, landmark error 0; the faces are found by YuNet."""
    folder = tmp_path / "hr"
    folder.mkdir()
    for path in sorted((shared / "faces" / "lfw_heldout").rglob("*.jpg"))[:2]:
        Image.open(path).crop((61, 61, 189, 189)).save(folder / f"{path.stem}.png")
    weights = shared / "weights"
    file = tmp_path / "mine.toml"
    file.write_text('[mine]\nsummary = "x"\nquantise = "round"\nchannel = "rgb"\nface_detector = "yunet"\n')
    assert main(["weights", "import", str(weights / "yunet_n_640_640.onnx")]) == 0
    specs = (
        f"lpips@squeeze={weights / 'squeezenet1_1_features.pth'}",
        f"identity@mobilefacenet-ms1m={weights / 'mobilefacenet_arcface_ms1m.onnx'}",
        f"nme-hr@pfld-68={weights / 'pfld_68.onnx'}",
    )
    out = tmp_path / "scores.csv"
    arguments = ["score", "--sr", str(folder), "--hr", str(folder), "--profile", str(file), "--out", str(out)]
    assert main([*arguments, "--metrics", ",".join(specs)]) == 0
    for line in out.read_text().splitlines()[1:]:
        lpips, identity, nme = map(float, line.split(",")[1:])
        assert (lpips, nme) == (0.0, 0.0) and identity == pytest.approx(1.0, abs=1e-6)


def test_another_file_under_the_same_name_is_another_network(tmp_path: Path) -> None:
    """Within one process, as in a notebook: the column's hash and its number change together."""
    import torch
    from torchvision.models import squeezenet1_1

    pair = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), np.uint8)
    file = tmp_path / "squeeze.pth"
    found: dict[str, float] = {}
    for seed in (1, 2):
        torch.manual_seed(seed)
        torch.save({k: v for k, v in squeezenet1_1(weights=None).state_dict().items() if k[0] == "f"}, file)
        found |= score(pair[0], pair[1], [f"lpips@squeeze={file}"])
    assert len(set(found)) == len(set(found.values())) == 2
