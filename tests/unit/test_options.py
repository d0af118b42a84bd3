"""What a run can be asked is declared once: the command line, Python and the record agree."""
# ruff: noqa: RUF009 - as in the request itself

from __future__ import annotations

import argparse
import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import facesr_bench
from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.base.options import Count, Flag, Option, options_of, takes_options
from facesr_bench.cli import run as command
from facesr_bench.cli import score as command_score
from facesr_bench.cli.options import add_options, given
from facesr_bench.evaluation.request import FolderRequest, RunRequest
from facesr_bench.plugins.spec import parse_method

EVERYTHING: dict[str, Any] = {
    "methods": ["bicubic", "./a net"],
    "protocols": ["helen-x8"],
    "data": {"helen": "/data/helen"},
    "limit": 3,
    "shard": "2/8",
    "out": "elsewhere",
    "device": "cpu",
    "batch_size": 4,
    "resume": "never",
    "precision": "bf16",
    "backend": "openvino",
    "profile": "dic",
    "metrics": ["psnr"],
    "attention": 0,
    "workers": 1,
    "fid_reference": {"ours": "/data/ours.npz"},
    "assume_aligned": True,
    "isolate": True,
    "timeout": 2.5,
    "suffix": "_00",
    "tag": "friday",
    "executor": "ray",
    "address": "auto",
    "keep": "none",
    "profile_time": True,
}


def parser_of_run() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return parser


@pytest.mark.parametrize(
    ("request_of", "module", "function", "extra"),
    [
        (RunRequest, command, facesr_bench.run, {"no_report", "study", "write_study"}),
        (FolderRequest, command_score, facesr_bench.score_folders, {"out", "json"}),
    ],
)
def test_command_line_python_and_request_have_the_same_options(
    request_of: type[Any], module: ModuleType, function: Callable[..., Any], extra: set[str]
) -> None:
    declared = list(options_of(request_of))
    parser = argparse.ArgumentParser()
    module.configure(parser)
    assert {action.dest for action in parser._actions} == {*declared, "help", *extra}
    signature = inspect.signature(function)
    assert list(signature.parameters) == declared
    documented = str(inspect.getdoc(function))
    for name, option in options_of(request_of).items():
        assert f"{name}: " in documented
        assert option.help, name
        if not option.required:
            assert str(signature.parameters[name].default) == str(option.default)


def test_defaults_are_those_of_the_request_in_all_three() -> None:
    arguments = parser_of_run().parse_args(["--methods", "bicubic"])
    assert RunRequest(**given(arguments, RunRequest)) == RunRequest(["bicubic"])
    assert RunRequest(["bicubic"]).as_data() == {"methods": ["bicubic"], "protocols": ["demo-x8"]}


def test_everything_typed_is_what_python_asks_for() -> None:
    line = (
        "--methods|bicubic,./a net|--protocols|helen-x8|--data|helen=/data/helen|--limit|3|--shard|2/8|--out|elsewhere|"
        "--device|cpu|--batch-size|4|--resume|never|--precision|bf16|--backend|openvino|--profile|dic|"
        "--metrics|psnr|--attention|0|"
        "--workers|1|--fid-reference|ours=/data/ours.npz|--assume-aligned|--isolate|"
        "--timeout|2.5|--suffix|_00|--tag|friday|--executor|ray|--address|auto|--keep|none|--profile-time"
    )
    request = RunRequest(**given(parser_of_run().parse_args(line.split("|")), RunRequest))
    assert request == RunRequest(**EVERYTHING)
    assert set(EVERYTHING) == set(options_of(RunRequest)), "the example leaves out an option"


def test_data_of_a_request_makes_it_again() -> None:
    request = RunRequest(**EVERYTHING)
    data = json.loads(json.dumps(request.as_data()))
    assert data == EVERYTHING
    assert RunRequest(**data) == request
    assert replace(request, limit=None).as_data() == {k: v for k, v in EVERYTHING.items() if k != "limit"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"methods": "bicubic"}, r"methods must be a list of names, such as \['bicubic'\]"),
        ({"metrics": [1]}, "metrics .* a list of names"),
        ({"limit": 0}, "limit 0: it must be at least 1"),
        ({"limit": "3"}, "limit '3': it must be a whole number"),
        ({"workers": None}, "workers None: it must be a whole number"),
        ({"workers": True}, "workers True: it must be a whole number"),
        ({"attention": -1}, "attention -1: it must be at least 0"),
        ({"precision": "fp16"}, "precision 'fp16': it must be one of fp32, bf16"),
        ({"resume": "newer"}, "only-missing, never, always"),
        ({"device": "gpu"}, "auto, cpu, cuda"),
        ({"device": 0}, "device 0: it must be a text"),
        ({"out": 3}, "out 3: it must be a path"),
        ({"data": ["helen"]}, "data .* paths by name"),
        ({"fid_reference": "ours.npz"}, "a name and a file"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(FaceSRBenchError, match=message):
        RunRequest(**{"methods": ["bicubic"], **wrong})


@dataclass(frozen=True)
class Small:
    methods: Option[Any, tuple[str, ...]] = vars(RunRequest)["methods"]
    often: Option[int, int] = Count(2, "100 % of them", least=1)
    loudly: Option[bool, bool] = Flag("say so")


@takes_options(Small)
def small(request: Small) -> tuple[int, bool]:
    """Does little.

    Args:
        {options}
    """
    return request.often, request.loudly


def test_one_field_is_an_option_everywhere() -> None:
    assert small(["a"]) == (2, False) and small(["a"], often=3, loudly=True) == (3, True)
    assert "loudly: say so" in str(small.__doc__)
    parser = argparse.ArgumentParser()
    add_options(parser, Small)
    assert "100 % of them (default: 2)" in " ".join(parser.format_help().split())
    assert Small(**given(parser.parse_args(["--methods", "a", "--loudly"]), Small)) == Small(["a"], loudly=True)
    with pytest.raises(TypeError, match="methods"):
        small()
    with pytest.raises(TypeError, match="oftener"):
        small(["a"], oftener=3)  # type: ignore[call-arg]


def test_home_is_found_in_paths() -> None:
    request = RunRequest(["bicubic"], data={"helen": "~/helen"}, out="~/out", fid_reference=("x", "~/x.npz"))
    home = Path.home()
    assert request.fid_reference is not None
    assert (request.data["helen"], request.out, request.fid_reference[1]) == (
        home / "helen",
        home / "out",
        home / "x.npz",
    )


@pytest.mark.parametrize("name", ["run", "score", "table", "figure", "report", "list"])
def test_help_imports_nothing_heavy(name: str) -> None:
    code = (
        "import sys; from facesr_bench.cli import main\n"
        f"try: main(['{name}', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(str([m for m in ('torch', 'pydantic', 'numpy', 'pandas', 'rich') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]" and "usage: facesr-bench" in done.stdout


def test_a_comma_in_a_files_name_is_told_with_a_way_that_works(tmp_path: Path) -> None:
    torn = tmp_path / "epoch,7.pth"
    torn.touch()
    option = options_of(RunRequest)["methods"]
    with pytest.raises(FaceSRBenchError, match="a comma ends a name, also the one in") as told:
        option.read([f"bicubic,sparnet@{torn}"])
    advised = str(told.value).rsplit("--methods ", 1)[1].strip("'")
    assert option.read([f"bicubic,{advised}"]) == ["bicubic", f'sparnet@"{torn}"']
    assert parse_method(f'sparnet@"{torn}"').weights == str(torn)
    (tmp_path / "epoch").touch()  # now the first half is a file of its own
    assert option.read([f"sparnet@{torn}"]) == [f"sparnet@{tmp_path}/epoch", "7.pth"]
