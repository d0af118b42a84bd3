"""Datasets and metrics of the user's own, given by path: they run, and broken ones cost only themselves."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

import facesr_bench
from facesr_bench.base.errors import CardError, MetricError, PluginError
from facesr_bench.cli import main
from facesr_bench.evaluation import request
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.folders import pairs_of, score_folders
from facesr_bench.images.files import read_image
from facesr_bench.plugins.metric import MetricBase
from facesr_bench.report.words import profile_in_words
from facesr_bench.results.store import all_results
from facesr_bench.results.summary import summarise
from tests.metric_tools import MEANS, load_metric

from .conftest import HEAD, MakeMethod
from .test_run import only, options

NEAREST = "functional.interpolate(lr, scale_factor=self.scale, mode='nearest')"

DATASET_CARD = """
schema_version = 1
kind = "dataset"
name = "drawn"
title = "Drawn"
summary = "Two pictures made by numpy."
licence = "Apache-2.0"
obtain = "nothing to get"
layout = "none"
needs_data = false

[protocols.drawn-x4]
summary = "32 px HR"
crop = { rule = "none" }
scale = 4
source = "hr"
degradation = "bicubic-pillow"
profile = "skimage"
metrics = ["psnr"]
"""
DATASET_CODE = """
import numpy as np
from facesr_bench import DatasetBase, Item, Picture

class Dataset(DatasetBase):
    def items(self, protocol):
        return [Item("a", ()), Item("b", ())]

    def read(self, item, protocol):
        seed = ord(item.id)
        return Picture(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8))
"""
METRIC_CARD = """
schema_version = 1
kind = "metric"
name = "mae"
title = "MAE"
summary = "Mean absolute error."
version = 1
higher_is_better = false
unit = "levels"
range = [0, 255]
digits = 2
needs = ["reference"]
"""
METRIC_CODE = """
import numpy as np
from facesr_bench import MetricBase
from tests.metric_tools import MEANS

class Metric(MetricBase):
    def per_image(self, sr, reference):
        return float(np.abs(sr.astype(int) - reference).mean())
"""


def test_datasets_and_metrics_of_the_users_own_by_path(tmp_path: Path) -> None:
    from facesr_bench.evaluation import conformance
    from facesr_bench.plugins import registry

    for name, module, card, code in (
        ("drawn", "dataset", DATASET_CARD, DATASET_CODE),
        ("mae", "metric", METRIC_CARD, METRIC_CODE),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.toml").write_text(card)
        (tmp_path / name / f"{module}.py").write_text(code)
        plugin = registry.read_plugin(conformance.kind_of(tmp_path / name), tmp_path / name, "path")
        assert [check for check in conformance.validate(plugin) if check.problem] == []
    frame = facesr_bench.run(
        ["nearest"],
        [f"{tmp_path}/drawn:drawn-x4"],
        metrics=["psnr", str(tmp_path / "mae")],
        out=tmp_path / "out",
    ).frame
    row = frame.loc[0]
    assert (row["protocol"], row["profile"], row["n"]) == ("drawn-x4", "skimage", 2)
    result = next(all_results(tmp_path / "out"))
    errors = []
    for image_id in "ab":
        hr = np.random.default_rng(ord(image_id)).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        errors.append(np.abs(read_image(result.sr_path(image_id)).astype(int) - hr).mean())
    assert row["mae"] == pytest.approx(np.mean(errors), abs=1e-12)
    with pytest.raises(PluginError, match="did you mean 'drawn-x4'"):
        facesr_bench.run(["nearest"], [f"{tmp_path}/drawn:drawn-x8"], out=tmp_path / "out")


CONVENTION_CODE = """
from facesr_bench import MetricBase, PixelConvention
from pydantic import Field

class MyConvention(PixelConvention):
    power: float = Field(default=1.0, gt=0, description="power that errors are raised to")

class Metric(MetricBase):
    Convention = MyConvention

    def per_image(self, sr, reference):
        return float((abs(sr - reference.astype(float)) ** self.convention.power).mean())
"""


def test_a_metric_of_the_users_own_has_a_table_of_its_own(faces: Path, tmp_path: Path) -> None:
    """Read from the user's profile, checked by the metric's model, said on the page; the other profiles are as ever."""
    folder, profile = tmp_path / "mae", tmp_path / "mine.toml"
    folder.mkdir()
    (folder / "card.toml").write_text(METRIC_CARD)
    (folder / "metric.py").write_text(CONVENTION_CODE)
    found = {}
    for power in (1, 2):
        profile.write_text(
            f'name = "mine{power}"\nsummary = "x"\nquantise = "round"\n[pixels]\nchannel = "rgb"\n'
            f"[mae]\npower = {power}\n"
        )
        report = runner.run(
            options(faces, tmp_path / "out", "nearest", metrics=(str(folder), "psnr"), profile=str(profile))
        )
        found[power] = only(report)
    one, two = found.values()
    assert [result.manifest.profile.model_dump().get("mae") for result in (one, two)] == [None, {"power": 2.0}]
    for image_id, row in one.rows().items():
        assert 1 < row.metrics["mae"] < two.rows()[image_id].metrics["mae"]
        assert row.metrics["psnr"] == two.rows()[image_id].metrics["psnr"]
    assert ("MAE", "Power that errors are raised to: 2.0.") in profile_in_words(two.manifest)
    profile.write_text(profile.read_text().replace("power", "powr"))
    with pytest.raises(CardError, match="did you mean 'power'"):
        runner.run(options(faces, tmp_path / "out", "nearest", metrics=(str(folder),), profile=str(profile)))


@pytest.mark.parametrize("broken", ["items", "read"])
def test_broken_dataset_costs_its_own_protocol_or_image(faces: Path, tmp_path: Path, broken: str) -> None:
    folder = tmp_path / "drawn"
    folder.mkdir()
    (folder / "card.toml").write_text(DATASET_CARD)
    before = {"items": "return [Item", "read": "seed = ord"}[broken]
    guard = "raise KeyError('gone')" if broken == "items" else "assert item.id != 'a', 'gone'"
    (folder / "dataset.py").write_text(DATASET_CODE.replace(before, f"{guard}\n        {before}"))
    report = runner.run(
        request.RunRequest(
            ("nearest",), (f"{folder}:drawn-x4", "folder-x8"), {"folder-x8": faces}, out=tmp_path / "out"
        )
    )
    assert len(report.problems) == 1 and "gone" in report.problems[0]
    results = {result.protocol: result.rows() for result in report.results}
    assert len(results["folder-x8"]) == 5
    if broken == "read":
        assert results["drawn-x4"]["a"].error and not results["drawn-x4"]["b"].error


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("[Item('a', ()), Item('b', ()), Item('a', ())]", "two images with the id 'a'"),
        ("[]", "lists no images"),
        ("[Item('', ())]", "'' is no image id"),
        ("[Item(7, ())]", "7 is no image id"),
        ("[Item('caf\\udce9', ())]", "not valid UTF-8: rename"),
    ],
)
def test_dataset_with_ids_that_cannot_name_images_is_refused(
    faces: Path, tmp_path: Path, listed: str, expected: str
) -> None:
    """Two images of one id would be one in the results, silently."""
    folder = tmp_path / "drawn"
    folder.mkdir()
    (folder / "card.toml").write_text(DATASET_CARD)
    (folder / "dataset.py").write_text(DATASET_CODE.replace('[Item("a", ()), Item("b", ())]', listed))
    report = runner.run(
        request.RunRequest(
            ("nearest",), (f"{folder}:drawn-x4", "folder-x8"), {"folder-x8": faces}, out=tmp_path / "out"
        )
    )
    assert len(report.problems) == 1 and expected in report.problems[0]
    assert len(only(report).rows()) == 5


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        ("np.zeros((32, 32, 3))", "32x32x3 float64"),
        ("np.zeros((32, 32), np.uint8)", "32x32 uint8"),
        ("np.zeros((32, 32, 4), np.uint8)", "32x32x4 uint8"),
        ("np.zeros((0, 32, 3), np.uint8)", "0x32x3 uint8"),
        ("[[1]]", "list"),
    ],
)
@pytest.mark.parametrize("source", ["hr", "pairs", "lr"])
def test_picture_that_is_not_rgb8_costs_its_own_image(tmp_path: Path, source: str, array: str, expected: str) -> None:
    folder = tmp_path / "drawn"
    folder.mkdir()
    card = DATASET_CARD.replace('source = "hr"', f'source = "{source}"')
    (folder / "card.toml").write_text(card if source == "hr" else card.replace('degradation = "bicubic-pillow"\n', ""))
    good = {"hr": "np.zeros((32, 32, 3), np.uint8)", "lr": "np.zeros((8, 8, 3), np.uint8)"}
    bad = f"hr={array}, lr={good['lr']}" if source != "lr" else f"hr=None, lr={array}"
    code = DATASET_CODE.partition("        seed =")[0]
    code += f"        return Picture({bad}) if item.id == 'a' else Picture(hr={good['hr']}, lr={good['lr']})\n"
    (folder / "dataset.py").write_text(code)
    report = runner.run(request.RunRequest(("nearest",), (str(folder),), out=tmp_path / "out"))
    rows = only(report).rows()
    assert f"{expected}; expected HxWx3 uint8" in (rows["a"].error or "") and rows["b"].error is None


def test_broken_metric_costs_its_own_cell(faces: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mae"
    folder.mkdir()
    (folder / "card.toml").write_text(METRIC_CARD)
    (folder / "metric.py").write_text(METRIC_CODE.replace("return float", "raise ZeroDivisionError('oops') or float"))
    result = only(runner.run(options(faces, tmp_path / "out", "nearest", metrics=("psnr", str(folder)))))
    for row in result.rows().values():
        assert row.reasons == {"mae": "ZeroDivisionError: oops"} and "psnr" in row.metrics


def test_metric_that_writes_to_the_pictures_changes_no_other_number(faces: Path, tmp_path: Path) -> None:
    """It fails on its own, in a run, on folders and from Python; PSNR after it is what it is alone."""
    alone = only(runner.run(options(faces, tmp_path / "alone", "nearest")))
    expected = {image_id: row.metrics["psnr"] for image_id, row in alone.rows().items()}
    folders = alone.folder / "sr", alone.inputs_folder / "hr"
    for name, code in (
        ("sr", METRIC_CODE.replace("return float", "sr[:] = 0\n        return float")),
        (
            "hr",
            METRIC_CODE.replace(
                "def per", "def prepare(self, hr):\n        hr //= 2\n        return hr\n\n    def per"
            ),
        ),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "card.toml").write_text(METRIC_CARD.replace('"mae"', f'"mae-{name}"'))
        (folder / "metric.py").write_text(code)
        result = only(runner.run(options(faces, tmp_path / "out", "nearest", metrics=(str(folder), "psnr"))))
        assert {image_id: row.metrics["psnr"] for image_id, row in result.rows().items()} == expected
        assert all("read-only" in row.reasons[f"mae-{name}"] for row in result.rows().values())
        found = score_folders(pairs_of(*folders), [load_metric(str(folder), "sparnet", 8), psnr()], has_truth=True)
        assert {row.id: row.metrics["psnr"] for row in found.rows} == expected
        sr, hr = (read_image(path / "face0.png") for path in folders)
        with pytest.raises(MetricError, match="read-only"):
            facesr_bench.score(sr, hr, metrics=[str(folder), "psnr"])
        assert sr.flags.writeable and hr.flags.writeable, "the caller's own arrays stay as they were"


def test_validate_opens_a_metric_and_finds_one_that_writes(tmp_path: Path) -> None:
    from facesr_bench.evaluation import conformance
    from facesr_bench.plugins import registry

    for name, code, problem in (
        ("loads", METRIC_CODE.replace("return float(", "return self.factor * float(") + LOAD, None),
        ("writes", METRIC_CODE.replace("return float", "sr[:] = 0\n        return float"), "read-only"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "card.toml").write_text(METRIC_CARD)
        (folder / "metric.py").write_text(code)
        plugin = registry.read_plugin("metric", folder, "path")
        found = [check.problem for check in conformance.validate(plugin) if check.problem]
        assert found == [] if problem is None else problem in found[0]


LOAD = """
    def load(self):
        self.factor = 1
"""


def psnr() -> MetricBase:
    return load_metric("psnr", "sparnet", 8)


def test_metric_that_cannot_be_imported_costs_its_own_column(faces: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mae"
    folder.mkdir()
    (folder / "card.toml").write_text(METRIC_CARD)
    (folder / "metric.py").write_text("import no_such_module_at_all\n")
    report = runner.run(options(faces, tmp_path / "out", "nearest", metrics=("psnr", str(folder))))
    for row in only(report).rows().values():
        assert "no_such_module_at_all" in row.reasons["mae"] and "psnr" in row.metrics


def test_plug_ins_of_one_name_in_two_folders_are_two_runs_own(tmp_path: Path) -> None:
    """What one run was given by path is unknown to the next one of the same process."""
    found = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        for name, card in (("drawn", DATASET_CARD), ("mae", METRIC_CARD)):
            (folder / name).mkdir(parents=True)
            (folder / name / "card.toml").write_text(card)
        (folder / "drawn" / "dataset.py").write_text(DATASET_CODE)
        (folder / "mae" / "metric.py").write_text(METRIC_CODE.replace("return float", f"return {number} + 0 * float"))
        asked = request.RunRequest(
            ("nearest",), (str(folder / "drawn"),), out=folder / "out", metrics=(str(folder / "mae"),)
        )
        found += [row.metrics for row in only(runner.run(asked)).rows().values()]
    assert found == [{"mae": 1.0}, {"mae": 1.0}, {"mae": 2.0}, {"mae": 2.0}]
    with pytest.raises(PluginError, match="no metric is called 'mae'"):
        load_metric("mae", "sparnet", 8)


def test_networks_of_metrics_are_gone_after_the_run(faces: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mae"
    folder.mkdir()
    (folder / "card.toml").write_text(METRIC_CARD)
    network = "class NetworkOfATest:\n    pass\n\nclass Metric"
    load = "    def load(self):\n        self.network = self.shared('network', NetworkOfATest)\n\n    def per_image"
    code = METRIC_CODE.replace("class Metric", network).replace("    def per_image", load)
    (folder / "metric.py").write_text(code)
    outcome = runner.run(options(faces, tmp_path / "out", "nearest", metrics=(str(folder),)))
    assert all("mae" in row.metrics for row in only(outcome).rows().values())
    gc.collect()
    assert not [True for thing in gc.get_objects() if type(thing).__name__ == "NetworkOfATest"]


def test_code_edited_between_two_runs_of_one_process_is_the_code_that_runs(
    faces: Path, tmp_path: Path, make_method: MakeMethod
) -> None:
    """As in a notebook: card, module and helper are read again, and numbers never stand under the wrong fingerprint."""
    spec = Path(make_method("live", "from .helper import factor\nreturn factor * (" + NEAREST + ")"))
    psnr = []
    for factor in ("1.0", "0.5"):  # files of equal length, written within one second
        (spec / "helper.py").write_text(f"factor = {factor}\n")
        report = runner.run(options(faces, tmp_path / "out", str(spec), metrics=("psnr",)))
        psnr.append({image_id: row.metrics["psnr"] for image_id, row in only(report).rows().items()})
    assert all(psnr[1][image_id] < psnr[0][image_id] - 1 for image_id in psnr[0])
    (spec / "card.toml").write_text((spec / "card.toml").read_text().replace("by a test", "by another test"))
    assert only(runner.run(options(faces, tmp_path / "out", str(spec)))).manifest.method.summary.endswith(
        "by another test."
    )


@pytest.mark.parametrize("file", ["config.json", "options/net.yaml", "net.pth", "weights/net.npy"])
def test_file_that_a_method_opens_by_itself_is_in_the_fingerprint(
    faces: Path, tmp_path: Path, make_method: MakeMethod, file: str
) -> None:
    """A network trained on and saved over the old one is not the old one, though the card names no weights."""
    body = f"import pathlib\nfactor = float((pathlib.Path(__file__).parent / {file!r}).read_text())\n"
    spec = Path(make_method("own", f"{body}return factor * ({NEAREST})"))
    psnr = []
    for factor in ("1.0", "0.5"):
        (spec / file).parent.mkdir(exist_ok=True)
        (spec / file).write_text(factor)
        report = runner.run(options(faces, tmp_path / "out", str(spec), metrics=("psnr",), limit=1))
        psnr.append(only(report).rows()["face0"].metrics["psnr"])
        assert report.computed == 1
        assert runner.run(options(faces, tmp_path / "out", str(spec), metrics=("psnr",), limit=1)).computed == 0
    assert psnr[1] < psnr[0] - 1


def test_checkpoints_beside_the_one_that_is_given_change_nothing(
    faces: Path, tmp_path: Path, make_method: MakeMethod
) -> None:
    """A training saves another epoch: results of the earlier ones stay."""
    spec = Path(make_method("own", f"return {NEAREST}"))
    (spec / "epoch1.pth").write_text("1")
    asked = options(faces, tmp_path / "out", f"{spec}@{spec / 'epoch1.pth'}", limit=1)
    assert runner.run(asked).computed == 1
    (spec / "epoch2.pth").write_text("2")
    assert runner.run(asked).computed == 0


def test_method_whose_code_cannot_be_found_costs_its_own_row(
    faces: Path, tmp_path: Path, make_method: MakeMethod
) -> None:
    lost, gone = (Path(make_method(name, f"return {NEAREST}")) for name in ("lost", "gone"))
    with (lost / "card.toml").open("a") as card:
        card.write('implementation = "bicubick"\n')
    (gone / "helper.py").symlink_to("nowhere.py")
    report = runner.run(options(faces, tmp_path / "out", str(lost), str(gone), "nearest"))
    assert [result.manifest.error is None for result in report.results] == [False, False, True]
    assert "did you mean 'bicubic'" in report.problems[0] and "helper.py: can't be read" in report.problems[1]
    assert len(report.results[2].rows()) == 5


@pytest.mark.parametrize("place", ["import", "load", "upscale", "output_size"])
def test_plugin_that_exits_costs_its_own_row(faces: Path, tmp_path: Path, make_method: MakeMethod, place: str) -> None:
    """argparse in a stranger's script calls sys.exit."""
    bodies = {
        "load": "    def load(self):\n        raise SystemExit(2)\n",
        "output_size": "    def output_size(self, height, width):\n        raise SystemExit(2)\n",
    }
    head = HEAD.replace("    def upscale", f"{bodies.get(place, '')}    def upscale")
    head = f"raise SystemExit(2)\n{head}" if place == "import" else head
    spec = make_method("leaver", "raise SystemExit(2)" if place == "upscale" else f"return {NEAREST}", head=head)
    report = runner.run(options(faces, tmp_path / "out", spec, "nearest"))
    assert (
        len(report.problems) == (5 if place in {"upscale", "output_size"} else 1)
        and "SystemExit: 2" in report.problems[0]
    )
    assert all(row.error is None for row in report.results[-1].rows().values()) and len(report.results) == 2


@pytest.mark.parametrize(
    ("of", "code", "reason"),
    [
        (
            "image",
            METRIC_CODE + "\n    def why_unavailable(self):\n        raise KeyError('oops')\n",
            "KeyError: 'oops'",
        ),
        ("image", METRIC_CODE + "\n    def describe(self):\n        {}['oops']\n", "KeyError: 'oops'"),
        ("image", METRIC_CODE.replace("return float", "return 'seven' or float"), "could not convert string to float"),
        ("image", METRIC_CODE.replace("return float", "return float('nan') * float"), "mae returned NaN"),
        ("set", "import no_such_module_at_all\n", "no_such_module_at_all"),
        ("set", MEANS.replace('extractor = "means-v1"', "extractor = property(lambda self: {}['oops'])"), "'oops'"),
        ("set", MEANS.replace("return SetValue", "raise TypeError('oops') or SetValue"), "TypeError: oops"),
        ("set", MEANS.replace("SetValue(float(", "SetValue(float('nan') * float("), "mae returned nan"),
        ("set", MEANS.replace("mean())", "mean()), float('nan')"), "standard error nan"),
        (
            "set",
            MEANS.replace("return image", "raise ValueError('oops') or image"),
            "ValueError: oops (5 of 5 images)",
        ),
    ],
)
def test_broken_metric_costs_its_own_column_in_a_run_and_on_folders(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], of: str, code: str, reason: str
) -> None:
    folder = tmp_path / "mae"
    folder.mkdir()
    (folder / "card.toml").write_text(f'{METRIC_CARD}of = "{of}"\n')
    (folder / "metric.py").write_text(code)
    result = only(runner.run(options(faces, tmp_path / "out", "nearest", metrics=(str(folder), "psnr"))))
    (row,) = summarise([result])
    assert "psnr" in row.means and "mae" not in row.means
    assert reason in next(iter(row.reasons["mae"]))
    folders = ["--sr", str(result.folder / "sr"), "--hr", str(result.inputs_folder / "hr")]
    assert main(["score", *folders, "--metrics", f"{folder},psnr"]) == 1
    told = capsys.readouterr()
    assert f"{row.means['psnr']:.2f}\n" in told.out and reason in told.err
