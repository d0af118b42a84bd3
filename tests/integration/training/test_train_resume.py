"""Stopped, killed and resumed, a training ends with the weights of one that was left alone."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from facesr_bench.cli import main
from facesr_bench.training.checkpoints import read_log, read_state
from tests.training_runs import MakeTiny, assert_same_training, finished, plain, start, tensors, wait_for


@pytest.mark.parametrize(("objective", "degradation"), [("pixel", "bicubic"), ("adversarial", "blind")])
def test_resumed_is_uninterrupted_bit_for_bit(tiny: MakeTiny, data: Path, objective: str, degradation: str) -> None:
    method = tiny(objective, degradation)
    common = ["train", method, "--data", str(data), "--seed", "3", "--set", "log_every=4"]
    assert main([*common, "--out", "whole", "--steps", "20"]) == 0
    # Stopped between two lines of the log and between two validations; the steps in all are said but once.
    assert main([*common, "--out", "parts", "--steps", "20", "--minutes", "0.000001"]) == 0
    assert read_state(Path("parts/last.pt"))["step"] == 1
    assert main(["train", method, "--data", str(data), "--out", "parts", "--resume"]) == 0
    whole = read_state(Path("whole/last.pt"))
    assert whole["step"] == 20
    one, other = (plain(read_state(Path(f) / "last.pt")) for f in ("whole", "parts"))
    for key in ("network", "average", "optimizer", "along", "along_optimizers", "rng"):
        assert one[key] == other[key], key


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("sparnet", ["--set", "scale=8"]),
        ("sparnethd", ["--set", "perceptual=0", "--set", "d_channels=8", "--set", "discriminators=2"]),
    ],
)
def test_the_real_networks_resume_bit_for_bit(data: Path, method: str, more: list[str]) -> None:
    shape = ["image_size=64", "min_feat_size=32", "min_ch=4", "max_ch=8", "res_depth=0", "batch_size=2"]
    often = ["save_every=2", "log_every=1", "validate_every=2", "ema=0.9", "schedule=cosine", "warmup=2"]
    settings = [part for value in (*shape, *often) for part in ("--set", value)]
    common = ["train", method, "--data", str(data), "--cache", "cache", *settings, *more]
    assert main([*common, "--out", "whole", "--steps", "4"]) == 0
    process = start(*common[1:], "--out", "parts", "--steps", "4")
    wait_for(process, "step 2/4")
    while not Path("parts/last.pt").exists():
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert main(["train", method, "--data", str(data), "--cache", "cache", "--out", "parts", "--resume"]) == 0
    assert_same_training(Path("whole"), Path("parts"))


def test_killed_at_any_moment_it_loses_at_most_the_last_interval(tiny: MakeTiny, data: Path) -> None:
    method = tiny()
    common = [method, "--data", str(data), "--cache", "cache", "--set", "save_every=5", "--set", "log_every=1"]
    assert main(["train", *common, "--out", "whole", "--steps", "200"]) == 0
    arguments = [*common, "--out", "run", "--steps", "200"]
    reached = 0
    for until in (23, 61):
        process = start(*arguments, *(["--resume"] if reached else []))
        wait_for(process, f"step {until}/200")
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        state = read_state(Path("run/last.pt"))
        assert state["step"] >= until - 5 and state["step"] > reached
        for name in ("last.safetensors", "best.safetensors"):
            assert tensors(Path("run") / name)
        reached = state["step"]
    assert main(["train", *arguments, "--resume"]) == 0
    assert_same_training(Path("whole"), Path("run"))


def test_ctrl_c_saves_and_says_how_to_go_on(tiny: MakeTiny, data: Path) -> None:
    method = tiny()
    arguments = [method, "--data", str(data), "--out", "run", "--minutes", "60", "--set", "save_every=100000"]
    process = start(*arguments)
    wait_for(process, "step 10 ")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    told = out.strip().splitlines()[-1].split()
    assert told[-3:] == ["--resume", "--minutes", "60"] and "everything is saved" in out
    step = read_state(Path("run/last.pt"))["step"]
    assert step >= 10 and f"stopped at step {step:,}" in out
    resumed = finished([sys.executable, *told[1:], "--steps", str(step + 1)])
    assert resumed.returncode == 0, resumed.stderr
    assert read_state(Path("run/last.pt"))["step"] == step + 1


def test_the_state_of_the_first_training_script_is_resumed(tiny: MakeTiny, data: Path) -> None:
    """Its last.pt held five things; a training goes on from them as from the whole."""
    method = tiny()
    common = ["train", method, "--data", str(data), "--cache", "cache", "--set", "schedule=linear"]
    assert main([*common, "--out", "whole", "--steps", "12", "--set", "save_every=6"]) == 0
    assert main([*common, "--out", "old", "--steps", "6"]) == 0
    assert main([*common, "--out", "new", "--steps", "12", "--minutes", "0.000001"]) == 0
    state = read_state(Path("new/last.pt"))
    five = {key: state[key] for key in ("network", "average", "optimizer", "step", "seconds")}
    torch.save(five, "new/last.pt")
    assert main([*common, "--out", "new", "--resume", "--steps", "12", "--set", "save_every=6"]) == 0
    one, other = tensors(Path("whole/last.safetensors")), tensors(Path("new/last.safetensors"))
    assert all(torch.equal(one[k], other[k]) for k in one)
    # Nothing left to do: its weights are written with their history, for `weights export`.
    torch.save({**five, "step": 12}, "new/last.pt")
    Path("new/last.safetensors").unlink()
    assert main([*common, "--out", "new", "--resume", "--steps", "12"]) == 0
    with safe_open(Path("new/last.safetensors"), "pt") as file:
        assert file.metadata()["steps"] == "12"


def test_another_training_is_never_mixed_in(tiny: MakeTiny, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    method = tiny()
    common = ["train", method, "--data", str(data), "--out", "run"]
    assert main([*common, "--steps", "2"]) == 0

    def refused(*arguments: str) -> str:
        assert main(list(arguments)) == 2
        return capsys.readouterr().err

    assert "holds a training already" in refused(*common, "--steps", "4")
    assert "begun with seed 0" in refused(*common, "--resume", "--seed", "1")
    assert "begun with channels=4" in refused(*common, "--resume", "--set", "channels=8")
    assert "not of sparnet" in refused("train", "sparnet", "--data", str(data), "--out", "run", "--resume")
    assert "give one of them" in refused(*common, "--resume", "--init", "run/last.safetensors")
    (data / "face00.png").rename(data / "another.png")
    assert "not the pictures" in refused(*common, "--resume")
    Path("run/last.pt").write_bytes(b"torn")
    assert "run/last.pt: not a PyTorch checkpoint" in refused(*common, "--resume")


def test_a_training_begun_with_minutes_alone_is_told_how_long(
    tiny: MakeTiny, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["train", tiny(), "--data", str(data), "--out", "run"]
    assert main([*common, "--minutes", "0.000001"]) == 0
    for more, message in (
        ([], "was begun with --minutes alone; say how long to go on"),
        (["--minutes", "1", "--set", "schedule=cosine"], "schedule=cosine needs to know the end"),
    ):
        assert main([*common, "--resume", *more]) == 2
        assert message in capsys.readouterr().err
    assert main([*common, "--resume", "--minutes", "0.000001"]) == 0
    assert main([*common, "--resume", "--steps", "4"]) == 0
    assert read_state(Path("run/last.pt"))["step"] == 4


def test_steps_that_were_done_already(tiny: MakeTiny, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["train", tiny(), "--data", str(data), "--out", "run"]
    assert main([*common, "--steps", "4"]) == 0
    before = {path.name: path.read_bytes() for path in Path("run").iterdir() if path.is_file()}
    capsys.readouterr()
    assert main([*common, "--resume", "--steps", "2"]) == 0
    out = capsys.readouterr().out
    assert "nothing to do: step 4 of 2 is reached" in out and "from step 4" not in out
    assert before == {path.name: path.read_bytes() for path in Path("run").iterdir() if path.is_file()}


def test_what_is_changed_on_the_way_is_counted_and_used(tiny: MakeTiny, data: Path) -> None:
    """Samples are those that were seen, in batches of whatever size; Adam's decays are the new ones."""
    common = ["train", tiny("adversarial", "blind"), "--data", str(data), "--out", "run"]
    assert main([*common, "--steps", "5"]) == 0
    assert main([*common, "--resume", "--steps", "10", "--set", "batch_size=8", "--set", "beta1=0.25"]) == 0
    assert [line["samples"] for line in read_log(Path("run/log.jsonl")) if "samples" in line] == [20, 60]
    with safe_open(Path("run/last.safetensors"), "pt") as file:
        assert file.metadata()["samples"] == "60"
    state = read_state(Path("run/last.pt"))
    for optimizer in (state["optimizer"], state["along_optimizers"]["discriminator"]):
        assert [group["betas"] for group in optimizer["param_groups"]] == [(0.25, 0.99)]


def test_another_loss_has_not_diverged_from_the_one_before(tiny: MakeTiny, data: Path) -> None:
    common = ["train", tiny(), "--data", str(data), "--out", "run"]
    assert main([*common, "--steps", "7", "--set", "loss=l2"]) == 0
    # As if L2 had been far lower than it, or L1, can be from here on.
    state = read_state(Path("run/last.pt"))
    torch.save({**state, "first": 1e-6, "lowest": 1e-6}, "run/last.pt")
    assert main([*common, "--resume", "--steps", "10"]) == 1
    assert main([*common, "--resume", "--steps", "15", "--set", "loss=l1"]) == 0
    terms = [line.keys() & {"l1", "l2"} for line in read_log(Path("run/log.jsonl")) if "samples" in line]
    assert terms == [{"l2"}, {"l2"}, {"l1"}, {"l1"}]


def test_resuming_takes_the_pictures_from_the_run(
    tiny: MakeTiny, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As they were given; another folder with the same pictures may be given in their place."""
    method = tiny()
    assert main(["train", method, "--data", str(data), "--out", "run", "--steps", "2"]) == 0
    assert read_state(Path("run/last.pt"))["data"] == str(data)
    assert main(["train", method, "--out", "run", "--resume", "--steps", "4"]) == 0
    moved = data.rename(data.with_name("moved"))
    capsys.readouterr()
    assert main(["train", method, "--out", "run", "--resume", "--steps", "6"]) == 2
    assert f"{data}: no such folder, which run was begun with; give --data DIR" in capsys.readouterr().err
    assert main(["train", method, "--data", str(moved), "--out", "run", "--resume", "--steps", "6"]) == 0
    assert main(["train", method, "--out", "run", "--resume", "--steps", "8"]) == 0
    state = read_state(Path("run/last.pt"))
    assert state["step"] == 8 and state["data"] == str(moved)
    del state["data"]  # as an older release wrote it
    torch.save(state, "run/last.pt")
    assert main(["train", method, "--out", "run", "--resume", "--steps", "9"]) == 2
    assert "does not say which pictures it was begun with; give them with --data" in capsys.readouterr().err
    assert main(["train", method, "--out", "new"]) == 2
    assert "--data DIR is needed" in capsys.readouterr().err
