"""The curves of a training: read from its logs, kept beside results, drawn for papers and pages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.lines import Line2D

from facesr_bench.base.errors import ResultsError
from facesr_bench.cli import main
from facesr_bench.report.figures.training import training
from facesr_bench.results.training import FILE, Training, kept, of_logs, read_logs
from tests.training_runs import ROOT

LOGS = ROOT / "methods" / "sparnet" / "training"
STAGES = sorted(LOGS.glob("sparnet*.jsonl"), key=lambda path: (len(path.name), path))


def test_every_number_of_a_log_is_in_the_curves() -> None:
    found = read_logs(STAGES[:2])
    lines = [json.loads(line) for line in STAGES[1].read_text().splitlines()]
    stage = found.stages[1]
    assert stage.bicubic == pytest.approx(lines[0]["bicubic_psnr"])
    assert list(stage.losses) == ["l1"]
    assert list(stage.losses["l1"]) == [(line["samples"], line["l1"]) for line in lines if "l1" in line]
    assert list(stage.psnr) == [(line["samples"], line["psnr"]) for line in lines if line.get("psnr") is not None]
    assert stage.samples == lines[-1]["samples"]


def test_a_drawn_stage_begins_where_the_one_before_ended() -> None:
    found = read_logs(STAGES)
    validation, losses = ([_x(line) for line in axis.get_lines()] for axis in training(found).axes)
    drawn = [x for xs in validation if len(xs) > 2 for x in xs]
    assert max(drawn) == sum(stage.samples for stage in found.stages)
    assert drawn == sorted(drawn)
    (curve,) = (xs for xs in losses if len(xs) > 2)
    assert len(curve) == sum(len(stage.losses["l1"]) for stage in found.stages)


def _x(line: Line2D) -> list[float]:
    xs: list[float] = np.asarray(line.get_xdata(), float).tolist()
    return xs


def test_what_is_kept_beside_a_result_is_what_was_read(tmp_path: Path) -> None:
    found = read_logs(STAGES)
    found.save(tmp_path)
    assert kept(tmp_path) == found
    (tmp_path / FILE).write_text('{"stages": [{"name": 3')
    assert kept(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no log of a training"),
        (
            '{"step": 1, "samples": 4, "l1": 0.5}\nnot json\n{}\n',
            "line 2 is not JSON",
        ),
        ("[1, 2]\n", "line 1 is no object"),
        ('{"step": 1, "samples": "many", "l1": 0.5}\n', "no log of a training: losses"),
    ],
)
def test_a_file_that_is_no_log_is_named_with_what_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(text)
    with pytest.raises(ResultsError, match=said) as raised:
        read_logs([path])
    assert str(path) in str(raised.value)
    assert said in of_logs([path]).trouble


def test_a_last_line_that_a_kill_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "samples": 4, "l1": 0.5}\n{"step": 2, "sam')
    (stage,) = read_logs([path]).stages
    assert stage.losses == {"l1": ((4, 0.5),)}


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(ResultsError, match="nothing to draw"):
        training(Training())


def test_figure_training_draws_logs_without_any_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = [word for stage in STAGES for word in ("--log", str(stage))]
    assert main(["figure", "training", *logs, "--out", str(tmp_path / "curves.svg")]) == 0
    assert "PSNR of held-out faces" in (tmp_path / "curves.svg").read_text()
    assert main(["figure", "training"]) != 0
    assert "--log" in capsys.readouterr().err


def test_the_page_of_a_method_shows_how_the_file_it_ran_with_was_trained(tmp_path: Path) -> None:
    assert main(["run", "--methods", "srcnn,bicubic", "--limit", "1", "--metrics", "psnr", "--out", str(tmp_path)]) == 0
    pages = tmp_path / "site" / "methods"
    text = (pages / "srcnn.html").read_text()
    assert 'src="srcnn-training.svg"' in text and "30,400 samples" in text
    assert (pages / "srcnn-training.svg").is_file()
    assert "training.svg" not in (pages / "bicubic.html").read_text()
