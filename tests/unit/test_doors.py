"""What a newcomer is told who types a file or a folder where a method's name belongs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from facesr_bench.base.errors import FaceSRBenchError, PluginError
from facesr_bench.base.toml import read_toml
from facesr_bench.cli import main
from facesr_bench.plugins import registry
from facesr_bench.plugins.network_file import StatedOnnx, stated_of
from facesr_bench.plugins.spec import parse_method

HAS = {suffix for plugin in registry.methods().plugins if plugin.card for suffix in plugin.card.opens}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the things that people have."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))
    for name in ("GFPGANv1.4.pth", "x.onnx", "prog.toml", "readme.md"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "restored" / "faces").mkdir(parents=True)
    for i in range(3):
        Image.new("RGB", (8, 8)).save(tmp_path / "restored" / f"{i}.png")
        Image.new("RGB", (8, 8)).save(tmp_path / "restored" / "faces" / f"{i}.png")
    (tmp_path / "empty").mkdir()
    return tmp_path


def told(text: str) -> str:
    with pytest.raises(FaceSRBenchError) as error:
        parse_method(text)
    return str(error.value)


@pytest.mark.parametrize("text", ["./restored", "restored", "./restored/"])
def test_a_folder_of_pictures_goes_through_images(text: str, here: Path) -> None:
    assert told(text) == f"no method is called {text!r}; it is a folder of 3 pictures: write images:{text}"
    (here / "restored" / "card.toml").write_text('title = "GFPGAN"\n')
    assert f"write images:{text}" in told(text)


@pytest.mark.parametrize(
    ("text", "suffix", "way"),
    [
        ("./GFPGANv1.4.pth", ".pth", "spandrel:./GFPGANv1.4.pth or METHOD@./GFPGANv1.4.pth"),
        ("GFPGANv1.4.pth", ".pth", "spandrel:GFPGANv1.4.pth or METHOD@GFPGANv1.4.pth"),
        ("x.onnx", ".onnx", "onnx:x.onnx"),
        ("./nowhere/x.onnx", ".onnx", "onnx:./nowhere/x.onnx"),
        ("prog.toml", ".toml", "command:prog.toml"),
    ],
)
def test_a_file_goes_through_the_method_that_opens_it(text: str, suffix: str, way: str, here: Path) -> None:
    if suffix not in HAS:
        pytest.skip(f"no method opens {suffix}")
    said = told(text)
    assert f"write {way}" in said
    assert ("there is no such file" in said) == text.startswith("./nowhere")


def test_a_file_of_the_hub_is_weights_and_no_method(here: Path) -> None:
    said = told("hf:owner/net/file.pth@abc")
    assert "no method by itself" in said and "METHOD@hf:owner/net/file.pth@abc" in said
    assert 'spandrel:"$(facesr-bench weights path hf:owner/net/file.pth@abc)"' in said


@pytest.mark.parametrize(("text", "way"), [("images", "images:DIR"), ("onnx", "onnx:FILE.onnx")])
def test_a_door_without_its_argument_says_what_it_takes(text: str, way: str, here: Path) -> None:
    assert told(text) == f"{text} needs an argument: write {way}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("onnx:restored", "restored: a folder; it should be an ONNX network"),
        ("spandrel:restored", "restored: a folder; a checkpoint is expected"),
        ("command:binary.toml", "binary.toml: not a TOML file: it is no text in UTF-8"),
    ],
)
def test_another_thing_than_the_door_takes_is_called_what_it_is(text: str, said: str, here: Path) -> None:
    (here / "binary.toml").write_bytes(b"\x08\xbe\xff")
    with pytest.raises(FaceSRBenchError, match=re.escape(said)):
        parse_method(text).opened()


def test_lines_to_copy_stay_lines_below_a_table(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx: Any = pytest.importorskip("onnx")
    port = onnx.helper.make_tensor_value_info
    ends = [port(name, onnx.TensorProto.FLOAT, [1, 3, "h", "w"]) for name in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "net", ends[:1], ends[1:])
    onnx.save(onnx.helper.make_model(graph), str(here / "net.onnx"))
    assert main(["run", "--methods", "onnx:net.onnx", "--limit", "1", "--metrics", "psnr", "--no-report"]) == 1
    told_below = capsys.readouterr().out.splitlines()
    assert any(line.startswith('    input = "lr" #') for line in told_below)
    assert any(line.startswith("    range = [0, 1] #") for line in told_below)


def test_a_name_that_nobody_knows_is_shown_the_doors(here: Path) -> None:
    said = told("gfpgann")
    assert "images:DIR (Finished pictures)" in said and "./FOLDER of a plug-in" in said


def test_what_no_method_opens_is_told_as_before(here: Path) -> None:
    assert "no card.toml in it, so it is not a method" in told("./empty")
    assert "no card.toml in it, so it is not a method" in told("./readme.md")


def test_a_plug_in_with_pictures_in_it_is_a_plug_in(here: Path) -> None:
    card = (
        'schema_version = 1\nkind = "method"\nname = "mine"\ntitle = "T"\nsummary = "S"\ninput = "lr"\nlicence = "L"\n'
    )
    (here / "restored" / "card.toml").write_text(f'{card}implementation = "bicubic"\n')
    assert parse_method("./restored").plugin.name == "mine"
    with pytest.raises(PluginError, match=r"for the folder of that name write \./restored"):
        parse_method("restored")


def test_the_files_of_the_documentation_are_what_the_doors_take(here: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
    rrdn, node, card, network, program, random = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (here / "restored" / "card.toml").write_text(card)
    pictures = parse_method("images:restored").opened()
    assert pictures is not None and pictures.card.title == "GFPGAN v1.4" and pictures.stated.milliseconds == 41.2
    (here / "net.onnx.toml").write_text(network)
    stated = stated_of(StatedOnnx, here / "net.onnx")
    assert (stated.scale, stated.constants, stated.runtime, stated.title) == (4, {"w": 0.5}, "openvino", "Mine")
    (here / "rrdn.onnx.toml").write_text(rrdn)
    stated = stated_of(StatedOnnx, here / "rrdn.onnx")
    assert (stated.scale, stated.input, stated.licence) == (8, "lr", "MIT")
    assert fields_of(node)["title"] == "esrgan-thick x8 in Node (TensorFlow.js)"
    (here / "gfpgan.toml").write_text(program)
    (here / "weights").mkdir()
    for name in ("inference_gfpgan.py", "weights/GFPGANv1.4.pth"):
        (here / name).write_bytes(b"x")
    opened = parse_method("command:gfpgan.toml").opened()
    assert opened is not None and opened.card.input == "bicubic" and len(opened.sha256) == 64
    assert "covers its TOML file and inference_gfpgan.py, GFPGANv1.4.pth" in opened.remarks([])[0]
    assert registry.methods().get("bicubic").require_card().model_copy(update=fields_of(random)).seed == 0


def fields_of(text: str) -> dict[str, object]:
    """The fields of a piece of TOML."""
    path = Path("piece.toml")
    path.write_text(text)
    return read_toml(path)


def test_the_command_line_says_it_and_runs_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--methods", "./restored,bicubic"]) == 2
    assert "write images:./restored" in " ".join(capsys.readouterr().err.split())
    assert not (here / "results").exists()
