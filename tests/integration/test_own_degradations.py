"""A degradation of one's own in a protocol of one's own, from run to result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import facesr_bench
from facesr_bench.cli import main
from facesr_bench.images.files import read_image
from tests.integration.test_own_plugins import DATASET_CARD, DATASET_CODE
from tests.unit.test_degradation import stranger


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset whose protocol names the degradation `nth` beside its card."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "drawn"
    folder.mkdir()
    (folder / "card.toml").write_text(DATASET_CARD.replace('"bicubic-pillow"', '"./nth"'))
    (folder / "dataset.py").write_text(DATASET_CODE)
    stranger(folder / "nth", "return hr[::step, ::step].copy(), {}")
    return folder


def lr_of(protocol: str) -> dict[str, np.ndarray]:
    return {path.stem: read_image(path) for path in Path("results").glob(f"{protocol}/**/lr/*.png")}


def test_lr_is_made_by_it_and_anew_when_it_is_edited(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--methods", "nearest", "--protocols", str(dataset), "--no-report"]
    assert main(command) == 0
    hr = np.random.default_rng(ord("a")).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(lr_of("drawn-x4")["a"], hr[::4, ::4])
    capsys.readouterr()
    assert main(command) == 0
    assert "nothing to compute" in capsys.readouterr().err
    code = dataset / "nth" / "degradation.py"
    code.write_text(code.read_text().replace("hr[::step, ::step]", "hr[1::step, ::step]"))
    assert main(command) == 0
    assert "computed 2 images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("return hr", "return {} or 1 / 0 or hr", "ZeroDivisionError"),
        ("def degrade", "def degraded", "can't be made: TypeError"),
        ("[::step, ::step]", "", "made 32x32x3 uint8; expected 8x8x3 uint8"),
    ],
)
def test_one_that_fails_is_named(
    dataset: Path, capsys: pytest.CaptureFixture[str], before: str, after: str, message: str
) -> None:
    code = dataset / "nth" / "degradation.py"
    code.write_text(code.read_text().replace(before, after))
    assert main(["run", "--methods", "nearest", "--protocols", str(dataset), "--no-report"]) in {1, 2}
    assert message in capsys.readouterr().err


def test_an_unknown_one_is_said(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (dataset / "card.toml").write_text(DATASET_CARD.replace("bicubic-pillow", "bicubic-pilow"))
    assert main(["run", "--methods", "nearest", "--protocols", str(dataset), "--no-report"]) in {1, 2}
    assert "did you mean 'bicubic-pillow'" in capsys.readouterr().err


def test_the_blind_one_is_used_by_a_protocol(dataset: Path) -> None:
    card = DATASET_CARD.replace("bicubic-pillow", "sparnethd").replace("scale = 4", "scale = 1")
    (dataset / "card.toml").write_text(card)
    assert main(["run", "--methods", "bicubic", "--protocols", str(dataset), "--no-report"]) == 0
    first = lr_of("drawn-x4")
    assert first["a"].shape == (32, 32, 3)
    facesr_bench.run(methods=["bicubic"], protocols=[str(dataset)], out="again")
    for path in Path("again").glob("drawn-x4/**/lr/*.png"):
        np.testing.assert_array_equal(read_image(path), first[path.stem])


def test_faces_that_a_card_lets_be_enlarged_are_counted_below_the_table(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = (dataset / "card.toml").read_text()
    allowing = card.replace('rule = "none"', 'rule = "none", enlarge_up_to = 1.2')
    allowing = allowing.replace("scale =", "hr_size = 36\nscale =")
    (dataset / "card.toml").write_text(allowing)
    command = ["run", "--methods", "nearest", "--protocols", str(dataset), "--no-report"]
    assert main(command) == 0
    assert main(["table"]) == 0
    assert "2 of 2 faces were enlarged to be HR, by 1.12 times at most" in capsys.readouterr().out
    assert main([*command[:2], "bicubic", *command[3:]]) == 0  # from the samples that are kept
    assert "2 of 2 faces were enlarged" in capsys.readouterr().out
    assert main([*command, "--metrics", "psnr,ssim,lr-psnr"]) == 0  # a line more for each image
    assert "2 of 2 faces were enlarged" in capsys.readouterr().out
    (dataset / "card.toml").write_text(allowing.replace("1.2", "1.1"))
    assert main(command) == 1
    assert "smaller than the 36x36" in capsys.readouterr().err
