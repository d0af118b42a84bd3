"""A checkpoint as the file that ships, and what lies on disk before that."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from facesr_bench.base.errors import TrainingError, WeightsError
from facesr_bench.base.toml import read_toml
from facesr_bench.cli import main
from facesr_bench.plugins.cards import WeightsCard
from facesr_bench.training import checkpoints
from facesr_bench.training.export import export

METADATA = {
    "method": "sparnet",
    "data": "22 pictures of the folder faces",
    "steps": "1200",
    "samples": "4800",
    "losses": "l1",
    "commit": "0123abc",
    "validation_psnr": "26.0056",
}
LICENCE = "research use only"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "best.safetensors"
    save_file({"w": torch.linspace(-1, 1, 1000), "n": torch.tensor(7)}, path, metadata=METADATA)
    return path


def test_half_precision_with_its_history(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights" / "sparnet.safetensors"
    written = export(checkpoint, out, licence=LICENCE, data="a few faces")
    tensors = load_file(out)
    assert tensors["w"].dtype is torch.float16 and tensors["n"].dtype is torch.int64
    torch.testing.assert_close(tensors["w"].float(), load_file(checkpoint)["w"], atol=5e-4, rtol=0)
    with safe_open(out, "pt") as file:
        metadata = file.metadata()
    assert metadata == {**METADATA, "licence": LICENCE, "data": "a few faces"}
    assert written.size == out.stat().st_size and stat.S_IMODE(out.stat().st_mode) & 0o044


def test_the_card_it_prints_is_a_card(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sparnet.safetensors"
    arguments = ["--out", str(out), "--licence", 'non-commercial ("as is")', "--data", "Gesichter für «Tests»"]
    assert main(["weights", "export", str(checkpoint), *arguments]) == 0
    text = capsys.readouterr().out
    card_file = tmp_path / "card.toml"
    card_file.write_text(text[text.index("[weights") :], encoding="utf-8")
    card = WeightsCard.model_validate(read_toml(card_file)["weights"]["sparnet"])
    assert card.file == "weights/sparnet.safetensors" and card.size == out.stat().st_size
    assert card.training_data == "Gesichter für «Tests»" and card.licence == 'non-commercial ("as is")'
    assert card.training == "facesr-bench: l1; 1,200 steps (4,800 samples); validation PSNR 26.01 dB"


def test_too_large_a_file_is_not_written(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.safetensors"
    common = ["weights", "export", str(checkpoint), "--out", str(out), "--licence", LICENCE]
    assert main([*common, "--max-mb", "0.002"]) == 2
    assert "more than 0.002" in capsys.readouterr().err and not out.exists()
    assert main([*common, "--max-mb", "0.003"]) == 0


@pytest.mark.parametrize("value", [1e6, float("nan"), float("inf")])
def test_what_does_not_fit_is_refused(tmp_path: Path, value: float) -> None:
    path = tmp_path / "best.safetensors"
    save_file({"w": torch.tensor([0.0, value])}, path, metadata=METADATA)
    with pytest.raises(TrainingError, match="w has a value that does not fit fp16"):
        export(path, tmp_path / "out.safetensors", licence=LICENCE)


def test_what_an_older_file_lacks_stands_in_the_log_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    save_file({"w": torch.zeros(2)}, path)
    with pytest.raises(TrainingError, match="says the method"):
        export(path, tmp_path / "out.safetensors", licence=LICENCE)
    # The log of the first bundled weights, made by another program.
    log = Path(__file__).resolve().parents[3] / "methods" / "sparnet" / "training" / "sparnet.jsonl"
    (tmp_path / "log.jsonl").write_bytes(log.read_bytes())
    facts = export(path, tmp_path / "out.safetensors", licence=LICENCE).metadata
    assert facts["method"] == "sparnet" and facts["losses"] == "l1" and facts["seed"] == "0"
    assert (facts["steps"], facts["samples"], facts["validation_psnr"]) == ("1200", "4800", "26.0056")
    assert facts["data"] == "7999 pictures"


def test_what_it_was_begun_from_is_told(tmp_path: Path, checkpoint: Path) -> None:
    begun = {"init": "sparnet.safetensors", "init_sha256": "12ab"}
    save_file({"w": torch.zeros(2)}, checkpoint, metadata={**METADATA, **begun})
    written = export(checkpoint, tmp_path / "out.safetensors", licence=LICENCE)
    assert begun.items() <= written.metadata.items()
    assert "l1; begun from sparnet.safetensors (sha256 12ab); 1,200 steps" in written.card()
    # An older file does not say; its log does, at its first start.
    save_file({"w": torch.zeros(2)}, checkpoint, metadata=METADATA)
    first: dict[str, Any] = {"step": 0, "bicubic_psnr": 23.9, "train": 9, "arguments": {"init": "a.safetensors"}}
    lines = [first, {**first, "arguments": {"init": None}}, {"step": 5, "l1": 0.3, "samples": 20, "seconds": 1}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    written = export(checkpoint, tmp_path / "out.safetensors", licence=LICENCE)
    assert written.metadata["init"] == "a.safetensors" and "begun from a.safetensors; 1,200" in written.card()


def test_a_name_that_could_not_be_used_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    before = checkpoint.read_bytes()
    for out, message in ((tmp_path / "sparnet.pth", "must end in .safetensors"), (checkpoint, "checkpoint itself")):
        with pytest.raises(TrainingError, match=message):
            export(checkpoint, out, licence=LICENCE)
    assert checkpoint.read_bytes() == before and list(tmp_path.iterdir()) == [checkpoint]


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="give a training's best"):
        export(tmp_path / "last.pt", tmp_path / "out.safetensors", licence=LICENCE)
    with pytest.raises(WeightsError, match="no such file"):
        export(tmp_path / "none.safetensors", tmp_path / "out.safetensors", licence=LICENCE)
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        export(tmp_path / "torn.safetensors", tmp_path / "out.safetensors", licence=LICENCE)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(b"old")

    def half(file: Any) -> None:
        file.write(b"new")
        raise OSError(28, "No space left on device")

    with pytest.raises(TrainingError, match=r"last\.pt: can't be written: No space left"):
        checkpoints.write_atomically(path, half)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_named_for_the_state_too(tmp_path: Path) -> None:
    """torch's writer turns the OSError into one of its own."""
    path = tmp_path / "last.pt"
    path.write_bytes(b"old")

    def full(file: IO[bytes]) -> None:
        class Full:
            def write(self, data: bytes) -> int:
                if file.tell() > 100_000:
                    raise OSError(28, "No space left on device")
                return file.write(data)

            def flush(self) -> None: ...

        torch.save({"w": torch.zeros(100_000)}, Full())  # type: ignore[arg-type]

    with pytest.raises(TrainingError, match=r"last\.pt: can't be written: No space left"):
        checkpoints.write_atomically(path, full)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_state_of_a_later_release_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    five: dict[str, Any] = {"network": {}, "average": {}, "optimizer": {}, "step": 3, "seconds": 1.0}
    checkpoints.write_state(path, five)
    assert checkpoints.read_state(path)["step"] == 3
    torch.save({**five, "version": 99}, path)
    with pytest.raises(TrainingError, match="later release"):
        checkpoints.read_state(path)
    torch.save({"weights": {}}, path)
    with pytest.raises(TrainingError, match="not a training state"):
        checkpoints.read_state(path)


def test_a_log_is_wound_back_to_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    lines = [{"step": 0, "arguments": {}}, {"step": 5, "l1": 0.3}, {"step": 10, "l1": 0.2}, {"step": 15, "l1": 0.1}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 20, "l')
    checkpoints.rewind_log(path, 10)
    assert [line["step"] for line in checkpoints.read_log(path)] == [0, 5, 10]
    old = Path(__file__).resolve().parents[3] / "methods" / "sparnet" / "training" / "sparnet.jsonl"
    path.write_bytes(old.read_bytes())  # its starts have no step
    checkpoints.rewind_log(path, 100)
    assert [line["step"] for line in checkpoints.read_log(path) if "arguments" not in line] == [50, 100]
    path.write_text('{"step": 1}\ntorn\n{"step": 2}\n')
    with pytest.raises(TrainingError, match="line 2 is not JSON"):
        checkpoints.read_log(path)


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    checkpoints.write_weights(path, nn.Linear(2, 3), {"a": "b"})
    fresh = nn.Linear(2, 3)
    checkpoints.start_from(fresh, path, "mine")
    assert torch.equal(fresh.weight, load_file(path)["weight"])
    with pytest.raises(WeightsError, match=r"w\.safetensors: these are not weights of mine"):
        checkpoints.start_from(nn.Linear(3, 3), path, "mine")
