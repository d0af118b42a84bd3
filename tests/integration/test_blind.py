"""The blind half: from the packages' own faces to a ranked table, with what was drawn on record, and LR hashes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facesr_bench.base.files import write_json
from facesr_bench.cli import main
from facesr_bench.data.protocols import find_protocol
from facesr_bench.images.files import pixel_sha256, read_image, write_png
from facesr_bench.plugins import registry
from facesr_bench.results.leaderboard import groups
from facesr_bench.results.samples import read_samples
from facesr_bench.results.store import Result, read_results
from facesr_bench.results.summary import summarise

RUN = ["run", "--metrics", "psnr,ssim"]


def committed() -> dict[str, str]:
    plugin, protocol = find_protocol("demo-blind")
    assert protocol.lr_hashes is not None
    found: dict[str, str] = json.loads((plugin.folder / protocol.lr_hashes).read_text())
    return found


def results(*roots: str) -> list[Result]:
    return [result for root in roots for result in read_results(Path(root)).results]


def write_samples(inputs: Path, changes: dict[str, dict[str, str]]) -> None:
    """The lines of a folder of inputs, with some fields of some images otherwise."""
    changed = [replace(sample, **changes.get(name, {})) for name, sample in read_samples(inputs).items()]  # type: ignore[arg-type]
    (inputs / "samples.jsonl").write_text("".join(sample.to_json() + "\n" for sample in changed), encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three methods on demo-blind, once for all tests."""
    out = tmp_path_factory.mktemp("blind") / "results"
    methods = ["--methods", "input,lanczos,bicubic", "--protocols", "demo-blind"]
    assert main([*RUN, *methods, "--out", str(out)]) == 0
    return out


@pytest.fixture
def ran(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of those results, in the working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, "results")
    return tmp_path / "results"


def test_the_demo_needs_no_data_and_ranks_its_input_once(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (group,) = groups(summarise(results("results")))
    assert [row.label for row in group.rows if row.comparable] == ["input"]
    said = "at scale 1 it hands its input back: the same pictures as input"
    assert {row.label: row.unranked for row in group.rows} == {"input": "", "lanczos": said, "bicubic": said}
    for result in results("results"):
        for image_id in result.images:
            lr = read_image(result.inputs_folder / "lr" / f"{image_id}.png")
            np.testing.assert_array_equal(read_image(result.sr_path(image_id)), lr)
    assert main(["table", "--format", "markdown"]) == 0
    assert said in capsys.readouterr().out


def test_every_lr_is_the_one_that_the_protocol_commits(ran: Path) -> None:
    del ran
    (inputs,) = {result.inputs_folder for result in results("results")}
    samples = read_samples(inputs)
    assert {name: sample.lr_sha256 for name, sample in samples.items()} == committed()
    for name, sample in samples.items():
        assert pixel_sha256(read_image(inputs / "lr" / f"{name}.png")) == sample.lr_sha256
        assert sample.lr_expected is None and sample.made_by is not None and sample.made_by.startswith("Pillow ")
        assert sample.degradation is not None and sample.degradation["low"] >= 10


def test_what_was_drawn_stands_on_the_image_page(ran: Path) -> None:
    (data,) = (path for path in ran.rglob("data.js") if "drawn" in path.read_text())
    (inputs,) = {result.inputs_folder for result in results("results")}
    drawn = read_samples(inputs)["t1-4"].degradation
    assert drawn is not None
    assert f"Degraded by sparnethd: blur none, window 1, sigma 0, angle 0, direction 0, low {drawn['low']}, " in (
        data.read_text()
    )
    assert 'id="drawn"' in (data.parent / "image.html").read_text()


def test_other_bits_are_a_problem_that_names_the_library(own_demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A copy of the demo whose committed hash of one picture is another: what a JPEG library of other bits would do."""
    hashes = own_demo / "demo-blind.json"
    lr = {name: "0" * 64 if name == "t1-3" else found for name, found in committed().items()}
    write_json(hashes, lr)
    assert main([*RUN, "--methods", "input", "--protocols", "./mine:mine-blind", "--no-report"]) == 1
    said = capsys.readouterr()
    assert "6 images, such as astronaut, are not those of the protocol, since Pillow " in said.err
    assert "its numbers can't be compared with those of others" in said.out + said.err
    hashes.write_text("{}")
    assert main([*RUN, "--methods", "input", "--protocols", "./mine:mine-blind", "--no-report", "--out", "b"]) == 0
    hashes.write_text('{"a": "b"}')
    assert main([*RUN, "--methods", "input", "--protocols", "./mine:mine-blind", "--no-report", "--out", "c"]) != 0
    assert "demo-blind.json: expected a JSON object of sha256 by image id" in capsys.readouterr().err


def test_results_of_other_lr_pictures_are_not_ranked_together(ran: Path) -> None:
    """Two machines whose JPEG libraries differ, as far as one machine can be two: the line and picture are changed."""
    del ran
    shutil.copytree("results", "other")
    (inputs,) = {result.inputs_folder for result in results("other")}
    write_samples(inputs, {"t1-3": {"lr_sha256": "1" * 64, "made_by": "Pillow 1.0"}})
    (group,) = groups(summarise(each for each in results("results", "other") if each.method == "input"))
    (unranked,) = (row.unranked for row in group.rows if not row.comparable)
    assert unranked.startswith("its LR pictures are others for 1 of 6 images, such as t1-3, made with Pillow ")


def test_a_damaged_lr_picture_is_made_again_with_the_same_bits_or_not_at_all(
    ran: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del ran
    (inputs,) = {result.inputs_folder for result in results("results")}
    path = inputs / "lr" / "t1-4.png"
    whole = read_image(path)
    write_png(path, 255 - whole)  # readable, and another picture
    assert main([*RUN, "--methods", "input,nearest", "--protocols", "demo-blind", "--no-report"]) == 0
    np.testing.assert_array_equal(read_image(path), whole)
    write_samples(inputs, {"t1-4": {"lr_sha256": "2" * 64}})
    capsys.readouterr()
    assert main([*RUN, "--methods", "bilinear", "--protocols", "demo-blind", "--no-report"]) == 1
    assert "its LR picture is damaged, and can't be made again with the same bits (Pillow " in capsys.readouterr().err


@pytest.mark.parametrize("same", [True, False])
def test_a_set_is_not_continued_by_libraries_that_make_other_pictures(
    same: bool, ran: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One image is here, made by a library that was; whether today's makes its picture again decides on the others."""
    del ran
    asked = [*RUN, "--methods", "input", "--protocols", "demo-blind", "--no-report", "--out", "begun"]
    assert main([*asked, "--limit", "1"]) == 0
    (result,) = results("begun")
    inputs, (first,) = result.inputs_folder, result.rows()
    picture = read_image(inputs / "lr" / f"{first}.png")
    if not same:
        picture = 255 - picture
        write_png(inputs / "lr" / f"{first}.png", picture)
    write_samples(inputs, {first: {"lr_sha256": pixel_sha256(picture), "made_by": "Pillow 1.0"}})
    capsys.readouterr()
    assert main(asked) == (0 if same else 1)
    said = capsys.readouterr().err
    assert (f"such as that of {first}, which are by Pillow 1.0: run with the libraries of then" in said) is not same
    (result,) = results("begun")
    assert sum(row.error is None for row in result.rows().values()) == (6 if same else 1)


def test_interpolations_say_so_and_no_network_does() -> None:
    cards = {plugin.name: plugin.require_card() for plugin in registry.methods().plugins}
    saying = {name for name, card in cards.items() if card.interpolates}
    assert saying == {"nearest", "bilinear", "bicubic", "bicubic-matlab", "lanczos"}
    assert cards["input"].scales == (1,) and not cards["input"].interpolates
