"""What is typed wrongly is told by the subcommand, with the name that was meant."""

from __future__ import annotations

import pytest

from facesr_bench.cli import COMMANDS, main


def said(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as end:
        main(words.split())
    found = capsys.readouterr()
    assert (end.value.code, found.out) == (2, "")
    return found.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("run --method bicubic", "facesr-bench run: error: no option is called '--method'; did you mean '--methods'?"),
        ("run --method=bicubic", "no option is called '--method'; did you mean '--methods'?"),
        ("run --metric psnr --methods bicubic", "did you mean '--metrics'?"),
        ("score --srr x", "facesr-bench score: error: no option is called '--srr'; did you mean '--sr'?"),
        ("weights fetch arcface --accept", "facesr-bench weights fetch: error: no option is called '--accept'"),
        ("history more", "facesr-bench history: error: 'more' is one word too many"),
        ("run -q", "facesr-bench run: error: no option is called '-q'"),
        ("rnu --methods bicubic", "facesr-bench: error: argument COMMAND: 'rnu' is none of run, "),
        ("rnu --methods bicubic", "did you mean 'run'?"),
        ("list metics", "did you mean 'metrics'?"),
        ("run --executor thread", "did you mean 'threads'?"),
        ("weights fetsh", "facesr-bench weights: error: argument ACTION: 'fetsh' is none of list, fetch"),
        ("compare one", "facesr-bench compare: error: the following arguments are required: NEW"),
        ("align photos --out o --size 1e3", "argument --size: '1e3' is no whole number"),
        ("align photos --out o --smallest few", "argument --smallest: 'few' is no number"),
        ("align photos --out o --smallest nan", "argument --smallest: from 0 to 1,000,000 px, not nan"),
        ("restore input photos --out o --enlarge x", "argument --enlarge: 'x' is no whole number"),
        ("train sparnet --steps many", "argument --steps: 'many' is no whole number"),
        ("figure curve --largest big", "argument --largest: 'big' is no number"),
        ("--bogus", "facesr-bench: error: no option is called '--bogus'"),
    ],
)
def test_a_mistake_is_told_where_it_was_made(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in said(words, capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_usage_is_the_commands_own_and_never_hides_the_message(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said(f"{command} --no-such-option-at-all", capsys).splitlines()
    assert lines[-2] == f"facesr-bench {command}: error: no option is called '--no-such-option-at-all'"
    assert lines[-1] == f"see `facesr-bench {command} --help`"
    assert len(lines) < 7 and all(line.startswith((f"usage: facesr-bench {command}", " ")) for line in lines[:-2])


def test_terminal_escapes_of_a_word_are_not_sent(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--x\x1b]0;t\x07"])
    assert "\x1b" not in capsys.readouterr().err
