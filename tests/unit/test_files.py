"""Files appear whole or not at all, whoever else writes them."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facesr_bench.base.errors import CardError, DataError, ResultsError, describe, first_line
from facesr_bench.base.files import (
    _refuse_special,
    check_file_writable,
    is_pipe_or_device,
    read_text,
    replacing,
    write_json,
    write_text,
)
from facesr_bench.base.hashing import file_sha256
from facesr_bench.base.toml import read_toml
from facesr_bench.data.protocols import find_protocol
from facesr_bench.evaluation.inputs import open_source
from facesr_bench.images.files import read_image, write_png
from facesr_bench.plugins.dataset import Item
from facesr_bench.plugins.registry import datasets
from facesr_bench.results.training import read_logs


def test_many_writers_of_one_file(tmp_path: Path) -> None:
    """Two runs into one results folder write the same inputs; neither may fail, or spoil the other's file."""

    def write(level: int) -> None:
        for _ in range(20):
            write_png(tmp_path / "in" / "a.png", np.full((64, 64, 3), level, np.uint8))
            assert len(np.unique(read_image(tmp_path / "in" / "a.png"))) == 1
            write_json(tmp_path / "a.json", [level] * 1000)
            assert len(set(json.loads((tmp_path / "a.json").read_text()))) == 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["a.json", "a.png"]


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "old")]
    with pytest.raises(ResultsError, match=r"b\.txt: can't be written: File exists"), replacing(path / "b.txt"):
        pass


@pytest.mark.parametrize("durable", [False, True])
def test_whoever_writes_says_which_error_it_is(tmp_path: Path, durable: bool) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(DataError, match="can't be written"),
        replacing(tmp_path / "file" / "a", DataError, durable=durable),
    ):
        pass
    with replacing(tmp_path / "new" / "a", DataError, durable=durable) as partial:
        partial.write_text("whole")
    assert [path.read_text() for path in (tmp_path / "new").iterdir()] == ["whole"]


def test_texts_have_the_same_line_ends_everywhere(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "ä\nb\n")
    assert (tmp_path / "a.txt").read_bytes() == "ä\nb\n".encode()


class MuteError(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


def test_an_error_is_described_whatever_its_message_does() -> None:
    assert describe(TypeError("of another type\nsecond")) == "TypeError: of another type\nsecond"
    assert describe(AssertionError()) == first_line(AssertionError("\n")) == "AssertionError"
    assert describe(MuteError()) == "MuteError: (its message can't be read: SystemExit)"
    assert first_line(ValueError("one\ntwo")) == "one"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this file system")
def test_a_file_takes_the_place_of_no_device_or_pipe(tmp_path: Path) -> None:
    """Renamed over /dev/null, as root, a table would be the end of it for every program on the machine."""
    pipe, led_to = tmp_path / "pipe", tmp_path / "led_to"
    os.mkfifo(pipe)
    led_to.symlink_to(pipe)
    for path in (pipe, led_to, Path("/dev/facesr-bench-test"), Path("/proc/self/fd/1")):
        for write in (lambda path: write_text(path, "table"), check_file_writable):
            with pytest.raises(ResultsError, match="it is a device or a pipe; name a file"):
                write(path)
    for name in (os.devnull, "/dev/stdout", "/dev/fd/3"):
        with pytest.raises(OSError, match="a device or a pipe"):
            _refuse_special(Path(name))
    assert pipe.is_fifo() and led_to.is_symlink() and len(list(tmp_path.iterdir())) == 2
    _refuse_special(Path("/dev/shm/table.csv"))  # memory that is used as a disk


def test_a_link_is_replaced_and_what_it_led_to_stays(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("theirs")
    (tmp_path / "table.csv").symlink_to("other")
    write_text(tmp_path / "table.csv", "ours")
    assert (tmp_path / "other").read_text() == "theirs" and (tmp_path / "table.csv").read_text() == "ours"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this file system")
def test_a_pipe_in_place_of_a_text_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "card.toml"
    os.mkfifo(pipe)
    with pytest.raises(CardError, match=r"card\.toml: can't be read: it is not a regular file"):
        read_toml(pipe)
    with pytest.raises(ResultsError, match="it is not a regular file"):
        read_logs([pipe])
    with pytest.raises(DataError, match="it is not a regular file"):
        file_sha256(pipe)
    assert is_pipe_or_device(pipe) and not is_pipe_or_device(tmp_path) and not is_pipe_or_device(tmp_path / "none")
    (tmp_path / "text").write_bytes(b"\xef\xbb\xbfa\r\nb")
    assert read_text(tmp_path / "text", "utf-8-sig") == "a\nb"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this file system")
def test_a_pipe_among_a_datasets_files_costs_its_own_image(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.zeros((64, 64, 3), np.uint8))
    os.mkfifo(tmp_path / "a.pts")
    source = open_source(find_protocol("folder-x8")[1], {"folder-x8": tmp_path}, datasets())
    source = replace(source, items={"a": Item("a", (tmp_path / "a.png", tmp_path / "a.pts"))})
    with pytest.raises(DataError, match=r"a\.pts: can't be read: it is not a regular file"):
        source.read("a")
