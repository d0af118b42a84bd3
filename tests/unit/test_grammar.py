"""The grammar of methods, metrics and columns: what is printed is read as what it was."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facesr_bench.base.errors import PluginError
from facesr_bench.base.grammar import LABEL, Column, Spec, split_list

ANYTHING = st.text(st.sampled_from("ab0 ,@:[]='\"./~-_é"), min_size=1, max_size=8)
PART = st.one_of(st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=8), ANYTHING)
LABELS = st.from_regex(LABEL, fullmatch=True)


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    weights = draw(st.none() | PART)
    file = draw(st.none() | PART) if weights is not None else None
    return Spec(draw(PART), draw(st.none() | PART), draw(st.none() | PART), weights, file, draw(st.none() | LABELS))


@given(specs())
def test_what_is_printed_is_read_as_what_it_was(spec: Spec) -> None:
    assert Spec.parse(str(spec)) == spec


@given(st.lists(specs(), max_size=4))
def test_lists_are_split_outside_quotes_and_brackets(wanted: list[Spec]) -> None:
    texts = list(dict.fromkeys(map(str, wanted)))
    assert split_list([",".join(texts)]) == texts


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert Spec.parse(str(Spec.parse(text))) == Spec.parse(text)
    except PluginError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sparnet@/data/w@1.pth", Spec("sparnet", weights="/data/w@1.pth")),
        ("sparnet@/data/lr=1e-4/w.pth", Spec("sparnet", weights="/data/lr=1e-4/w.pth")),
        ("./folder@weights", Spec("./folder", weights="weights")),
        ("pyiqa:niqe", Spec("pyiqa", argument="niqe")),
        ("lpips@squeeze=FILE", Spec("lpips", weights="squeeze", file="FILE")),
        ("lpips@squeeze=/a=b/c,d.pth", Spec("lpips", weights="squeeze", file="/a=b/c,d.pth")),
        ("fid[clean]@inception-2015=FILE", Spec("fid", "clean", weights="inception-2015", file="FILE")),
        ("gfpgan=images:restored/gfpgan", Spec("images", argument="restored/gfpgan", label="gfpgan")),
        ("My net=./it's/here@best", Spec("./it's/here", weights="best", label="My net")),
        ("'./a=b'", Spec("./a=b")),
        ("images:'a@b'@\"x=y\"", Spec("images", argument="a@b", weights="x=y")),
        ("/tmp/a=b", Spec("/tmp/a=b")),
        ("onnx:C=1:2.onnx", Spec("onnx", argument="C=1:2.onnx")),
    ],
)
def test_examples(text: str, expected: Spec) -> None:
    assert Spec.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "@x", "fid[", "fid[]", "fid[clean", "fid[clean]x", "sparnet@", "a:", "'a", "x=", "a@b="]
)
def test_half_of_a_spec_is_refused(text: str) -> None:
    with pytest.raises(PluginError, match=r"write it as|is not closed"):
        Spec.parse(text)


@pytest.mark.parametrize("text", ["<b>=sparnet", "a^2=images:DIR", "_a=bicubic", "face 😀=bicubic", "a" * 65 + "=x"])
def test_what_no_label_holds_is_told_as_a_label(text: str) -> None:
    with pytest.raises(PluginError, match="can't be a label: it is of letters, digits, space"):
        Spec.parse(text)


def test_a_plug_ins_folder_may_be_called_anything(tmp_path: Path) -> None:
    folder = tmp_path / "my@net[1]:x=2"
    folder.mkdir()
    (folder / "card.toml").touch()
    assert Spec.parse(str(folder)) == Spec(str(folder))
    assert Spec.parse(f"{folder}@w@1.pth") == Spec(str(folder), weights="w@1.pth")
    assert Spec.parse(f"mine={folder}:a") == Spec(str(folder), argument="a", label="mine")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("psnr", Column("psnr")),
        ("pyiqa:niqe", Column("pyiqa", argument="niqe")),
        ("identity@x:3089a6b1", Column("identity", weights="x", hash="3089a6b1")),
        ("nme-dlib:auc-10", Column("nme-dlib", aggregate="auc-10")),
        ("nme@pfld-68:0123abcd:failure-8", Column("nme", weights="pfld-68", hash="0123abcd", aggregate="failure-8")),
        ("fid[clean:ours]@inception-2015:0123abcd", Column("fid", "clean:ours", None, "inception-2015", "0123abcd")),
    ],
)
def test_columns_come_apart_and_together(key: str, expected: Column) -> None:
    assert Column.parse(key) == expected and str(expected) == key


def test_a_column_has_shorter_names() -> None:
    assert Column.parse("nme@pfld-68:0123abcd:auc-8").names()[1:] == ("nme@pfld-68:auc-8", "nme:auc-8", "nme:auc-8")
    assert Column.parse("fid[clean]").names() == ("fid[clean]", "fid[clean]", "fid[clean]", "fid")
    assert Column.parse("pyiqa:niqe").names()[-1] == "pyiqa"
