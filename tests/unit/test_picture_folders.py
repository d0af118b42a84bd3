"""Folders of pictures: what is passed over is counted and named, and names that don't pair get a hint and a way."""

from __future__ import annotations

import re
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest

from facesr_bench.base.errors import DataError, FaceSRBenchError, FaceSRBenchWarning
from facesr_bench.cli import main
from facesr_bench.images.files import write_png
from facesr_bench.images.folders import common_end, list_images, pair_by_stem


def _pictures(folder: Path, *names: str, side: int = 16) -> Path:
    rng = np.random.default_rng(0)
    for name in names:
        write_png(folder / name, rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
    return folder


def test_pictures_of_kinds_that_are_not_read_are_counted_and_named(tmp_path: Path) -> None:
    folder = _pictures(tmp_path, "a.png", "b.JPG")
    for name in ("c.avif", "d.AVIF", "e.jfif", "notes.txt", ".hidden.gif"):
        (folder / name).write_bytes(b"x")
    with pytest.warns(FaceSRBenchWarning, match=r"3 files are passed over.*: 2 \.avif, 1 \.jfif"):
        assert [path.name for path in list_images(folder)] == ["a.png", "b.JPG"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list_images(_pictures(tmp_path / "plain", "a.png"))


def test_a_folder_without_pictures_says_what_is_there_instead(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"x")
    for person in ("P1", "P2", "P3", "P4"):
        _pictures(tmp_path / person, "1.png")
    with pytest.raises(DataError, match=r"no pictures in it.*1 \.pgm.*lie in its subfolders \(P1, P2, P3 and 1 more\)"):
        list_images(tmp_path)


@pytest.mark.parametrize(
    ("ours", "theirs", "end"),
    [
        (["0000_SPARNet", "0001_SPARNet"], ["0000", "0001"], "_SPARNet"),
        (["10_00", "20_00", "30_00"], ["10", "20", "30"], "_00"),
        (["ax8", "bx8", "cx8"], ["a", "b", "c", "d"], "x8"),
        (["only_00"], ["only"], "_00"),
        (["a", "b"], ["c", "d"], None),
        (["a_00", "b_00"], ["c", "d"], None),
        (["a_00", "b"], ["a", "b"], None),
    ],
)
def test_the_end_that_all_names_of_one_side_have(ours: list[str], theirs: list[str], end: str | None) -> None:
    assert common_end(ours, theirs) == end


def test_names_that_end_alike_get_a_hint_that_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sr = _pictures(tmp_path / "sr", *(f"{i:04}_SPARNet.png" for i in range(3)))
    hr = _pictures(tmp_path / "hr", *(f"{i:04}.png" for i in range(3)))
    score = ["score", "--sr", str(sr), "--hr", str(hr), "--metrics", "psnr"]
    assert main(score) == 2
    advised = re.search(r"all 3 names in .* end in _SPARNet: score them with (--suffix=\S+)", capsys.readouterr().err)
    assert advised is not None
    assert main([*score, advised[1], "--out", str(tmp_path / "o.csv")]) == 0
    assert [line.split(",")[0] for line in (tmp_path / "o.csv").read_text().splitlines()] == [
        *("image", "0000", "0001", "0002"),
    ]
    _pictures(sr, "0003.png")
    assert main([*score, advised[1]]) == 2
    assert "0003.png: its name does not end in _SPARNet" in capsys.readouterr().err


def test_names_in_another_unicode_form_pair_with_a_suffix_too(tmp_path: Path) -> None:
    name = "José_é"
    sr = _pictures(tmp_path / "sr", unicodedata.normalize("NFD", name) + ".png")
    hr = _pictures(tmp_path / "hr", unicodedata.normalize("NFC", "José") + ".png")
    assert [stem for stem, _, _ in pair_by_stem(sr, hr, "_é")] == ["José"]


def test_nested_folders_on_one_side_are_named_beside_what_does_not_pair(tmp_path: Path) -> None:
    sr = _pictures(tmp_path / "sr", "P1/1.png", "x.png")
    with pytest.raises(DataError, match=r"sr: pictures lie in its subfolders \(P1\)"):
        pair_by_stem(sr, _pictures(tmp_path / "hr", "1.png"))


def test_results_of_another_size_get_a_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sr, hr = _pictures(tmp_path / "sr", "a.png", side=64), _pictures(tmp_path / "hr", "a.png", side=16)
    assert main(["score", "--sr", str(sr), "--hr", str(hr), "--metrics", "psnr"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "give HR of their own size (64x64), or bring SR to 16x16 yourself, and say with which resizer" in said


def test_a_suffix_that_can_stand_in_no_name_is_refused(tmp_path: Path) -> None:
    folder = _pictures(tmp_path / "a", "x.png")
    with pytest.raises(FaceSRBenchError, match="suffix '/'"):
        from facesr_bench import score_folders

        score_folders(folder, folder, suffix="/")
