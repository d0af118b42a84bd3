"""A run written down as a file: every option, paths from the file's folder, and errors that name the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli_w

from facesr_bench import FaceSRBenchError, read_study
from facesr_bench.base.options import Count, Flag, Option, options_of
from facesr_bench.base.toml import read_toml
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.evaluation.study import write_study

PATHS: dict[str, Any] = {
    "methods": [
        "sparnet",
        "./mynet@./own.pth",
        "theirs=images:out/{id}_00.png",
        "spandrel:x4.pth",
        "a=onnx:'b,c.onnx'",
    ],
    "protocols": ["helen-x8", "./mydata:mine"],
    "data": {"helen": "~/data/helen", "odd.name": "/data/x", "near": "near"},
    "out": "somewhere",
    "profile": "./mine.toml",
    "metrics": ["psnr", "fid[clean]", "lpips@squeeze=net.pth", "./mae"],
    "fid_reference": {"ffhq": "ffhq.npz"},
}


def another(option: Option[Any, Any]) -> Any:
    """A value that is not the default."""
    if isinstance(option, Flag):
        return True
    if isinstance(option, Count):
        return (option.default or option.least) + 1
    if option.choices:
        return next(choice for choice in option.choices if choice != option.default)
    return {"shard": "2/8", "device": "cpu", "timeout": 2.5, "suffix": "_00"}.get(option.name, "before")


OTHERS = {name: another(option) for name, option in options_of(RunRequest).items()} | PATHS


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x4.pth").touch()
    return tmp_path


def study(place: Path, text: str, name: str = "study.toml") -> Path:
    path = place / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_option_of_a_run_can_be_written_down_and_is_read_again(place: Path) -> None:
    request = RunRequest(**OTHERS)
    write_study(request, place / "study.toml")
    written = read_toml(place / "study.toml")
    assert written == request.as_data()
    assert written.keys() == options_of(RunRequest).keys()
    assert RunRequest(**read_study("study.toml")) == request


def test_paths_are_meant_from_the_files_folder(place: Path) -> None:
    found = read_study(study(place / "sub", tomli_w.dumps(OTHERS)))
    assert found["methods"] == [
        "sparnet",
        "sub/mynet@sub/own.pth",
        "theirs=images:sub/out/{id}_00.png",
        "spandrel:sub/x4.pth",  # there is such a file
        "a=onnx:'b,c.onnx'",  # there is none: a name, as far as can be seen
    ]
    assert found["protocols"] == ["helen-x8", "sub/mydata:mine"]
    assert found["data"] == {"helen": "~/data/helen", "odd.name": "/data/x", "near": "sub/near"}
    assert found["metrics"] == ["psnr", "fid[clean]", "lpips@squeeze=sub/net.pth", "sub/mae"]
    assert (found["out"], found["profile"]) == ("sub/somewhere", "sub/mine.toml")
    assert found["fid_reference"] == {"ffhq": "sub/ffhq.npz"}
    untouched = OTHERS.keys() - PATHS
    assert {name: found[name] for name in untouched} == {name: OTHERS[name] for name in untouched}


def test_a_study_written_into_another_folder_means_the_same_files(place: Path) -> None:
    for name in ("mynet", "own.pth", "out", "mydata", "near", "somewhere", "mine.toml", "net.pth", "mae", "ffhq.npz"):
        (place / name).touch()
    write_study(RunRequest(**OTHERS), place / "sub" / "study.toml")
    assert read_toml(place / "sub" / "study.toml")["methods"][1] == "../mynet@../own.pth"
    found = RunRequest(**read_study("sub/study.toml"))
    assert found.out.samefile("somewhere")
    assert found.data["near"].samefile("near")
    assert found.fid_reference is not None and found.fid_reference[1].samefile("ffhq.npz")
    assert found.profile is not None and Path(found.profile).samefile("mine.toml")
    assert found.metrics is not None and Path(found.metrics[3]).samefile("mae")
    assert Path(found.methods[1].partition("@")[2]).samefile("own.pth")


def test_home_and_absolute_paths_stay(place: Path) -> None:
    text = f'methods = ["~/net", "/abs/net"]\nout = "{place}/r"\n'
    found = read_study(study(place / "sub", text))
    assert found == {"methods": ["~/net", "/abs/net"], "out": f"{place}/r"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('method = ["sparnet"]', "no option of a run is called 'method'; did you mean 'methods'?"),
        ('batch-size = 4\nmethods = ["sparnet"]', "did you mean 'batch_size'?"),
        ('methods = "sparnet"', "methods must be a list of names"),
        ('methods = ["sparnet"]\nlimit = "3"', "limit '3': it must be a whole number"),
        ('methods = ["sparnet"]\nlimit = 0', "limit 0: it must be at least 1"),
        ('methods = ["sparnet"]\ndata = "x"', "data 'x': it must be paths by name"),
        ('methods = ["sparnet"]\n[data]\nhelen = 3', "it must be paths by name"),
        ("methods = []", "methods = [] names none; name at least one"),
        ("methods = [", "not valid TOML"),
    ],
)
def test_errors_name_the_file_and_what_was_meant(place: Path, text: str, message: str) -> None:
    with pytest.raises(FaceSRBenchError) as caught:
        read_study(study(place, text))
    assert "study.toml: " in str(caught.value)
    assert message in str(caught.value)


def test_strange_texts_survive_as_toml(place: Path) -> None:
    strange = 'quote " backslash \\ tab \t line \n bell \x07 del \x7f face \U0001f600 ü'
    text = tomli_w.dumps({"methods": [strange], "data": {strange: strange}})
    assert read_toml(study(place, text)) == {"methods": [strange], "data": {strange: strange}}


def test_a_missing_file_is_said_without_a_number(place: Path) -> None:
    with pytest.raises(FaceSRBenchError, match=r"none.toml: can't be read: No such file or directory$"):
        read_study("sub/none.toml")
