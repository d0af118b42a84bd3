"""What `all` stands for, protocol by protocol."""

from __future__ import annotations

from pathlib import Path

import pytest

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.cli import main
from facesr_bench.data.protocols import find_protocol
from facesr_bench.evaluation.ready import expand, suited

EVERY = ("input", "bicubic", "sparnet", "gfpgan", "sparnethd")
"""As if the weights of all of them were here."""


def left_out(protocol: str, *, assume_aligned: bool = False) -> dict[str, str]:
    card = find_protocol(protocol)[1]
    methods, why = suited(EVERY, EVERY, card, assume_aligned=assume_aligned)
    assert [*methods] == [name for name in EVERY if name not in why], "the order is kept, and nothing is lost"
    return why


def test_what_a_card_says_it_cannot_do_is_left_out() -> None:
    assert left_out("demo-x8") == {"gfpgan": "it makes 512 px", "input": "it does x1", "sparnethd": "it makes 512 px"}
    assert left_out("celeba-test-gfpgan") == {"sparnet": "it does x8"}


def test_a_method_for_aligned_faces_is_left_out_unless_they_are_promised_or_assumed() -> None:
    card = find_protocol("demo-x8")[1].model_copy(update={"hr_size": 512})
    assert suited(["gfpgan"], ["gfpgan"], card, assume_aligned=False)[1] == {
        "gfpgan": "it needs faces aligned as in FFHQ"
    }
    assert suited(["gfpgan"], ["gfpgan"], card, assume_aligned=True)[1] == {}


def test_one_that_was_named_is_never_left_out() -> None:
    card = find_protocol("demo-x8")[1]
    assert suited(EVERY, ["gfpgan", "sparnethd"], card, assume_aligned=False)[0] == ("input", "bicubic", "sparnet")
    assert {"input", "bicubic", "sparnet"} <= {*expand(["all"])}, "whether it suits is the protocol's affair"


def test_the_first_table_of_a_newcomer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--methods", "all", "--metrics", "psnr", "--out", str(tmp_path / "out"), "--no-report"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "demo-x8: `all` leaves out input (it does x1)\n" in err and "failed" not in err
    rows = [line.split()[0] for line in out.splitlines() if line.split()]
    ladder = ["sparnet", "sparnet-light-3d", "edsr", "srcnn", "bicubic", "nearest"]
    assert [row for row in rows if row in ladder] in (ladder, ladder[::-1])
    assert main([*command[:2], "all,input", *command[3:]]) == 1, "asked for by name, it fails in words"
    assert "input" in capsys.readouterr().err


def test_a_protocol_that_no_ready_method_can_do_is_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from facesr_bench.evaluation import ready
    from facesr_bench.evaluation.request import RunRequest
    from facesr_bench.evaluation.run import run

    monkeypatch.setattr(ready, "is_ready", lambda plugin: plugin.name == "input")
    outcome = run(RunRequest(["all"], ["demo-x8"], out=tmp_path / "out"))
    assert not outcome.results and "no method that is ready can do" in outcome.not_run["demo-x8"]
    with pytest.raises(FaceSRBenchError, match="no method is ready"):
        monkeypatch.setattr(ready, "is_ready", lambda plugin: False)
        expand(["all"])
