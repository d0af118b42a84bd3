"""`run`, `score` and `table` take the same names for metrics."""

from __future__ import annotations

from pathlib import Path

import pytest

from facesr_bench.base.errors import MetricError, ResultsError
from facesr_bench.base.grammar import Spec
from facesr_bench.evaluation.metrics import Setup, asked_columns, find_metrics
from facesr_bench.plugins.metric import ReferenceSet
from facesr_bench.plugins.profile import get_profile
from facesr_bench.plugins.spec import parse_metric
from facesr_bench.report.tables.sheet import chosen_metrics

KEYS = ("psnr", "fid[clean]", "fid[pytorch-fid]", "lpips@squeeze:0123abcd", "nme-dlib", "nme-dlib:auc-10")


@pytest.mark.parametrize(
    ("column", "metric"),
    [
        ("nme-dlib:auc-10", "nme-dlib"),
        ("nme-dlib:failure-8", "nme-dlib"),
        ("nme@pfld-68:auc-10", "nme@pfld-68"),
        ("fid[clean]", "fid[clean]"),
    ],
)
def test_a_columns_name_asks_for_its_metric(column: str, metric: str) -> None:
    assert parse_metric(column).column() == parse_metric(metric).column()


@pytest.mark.parametrize("wrong", ["nme-dlib:auc-9", "nme@pfld-68:auc9", "identity-adaface:belw-0.25"])
def test_a_column_that_a_metric_does_not_make_of_its_values_is_told_from_those_it_makes(wrong: str) -> None:
    with pytest.raises(MetricError, match=r"(?s)no column made of the values of .*did you mean .*known: "):
        parse_metric(wrong)


@pytest.mark.parametrize("wrong", ["psnr:auc-10", "nme-dlib:"])
def test_a_column_that_no_metric_has_is_refused(wrong: str) -> None:
    with pytest.raises(Exception, match=r"takes no argument|a part is empty"):
        parse_metric(wrong)


@pytest.mark.parametrize(
    ("asked", "file", "column"),
    [
        ("identity-adaface:below-0.2@ir50-ms1mv2=mine.ckpt", "mine.ckpt", "below-0.2"),
        ("identity-adaface@ir50-ms1mv2=mine.ckpt:below-0.45", "mine.ckpt", "below-0.45"),
        ("nme@pfld-68=mine.onnx:auc-10", "mine.onnx", "auc-10"),
        ("nme@pfld-68=mine.onnx:auc-7", "mine.onnx:auc-7", None),
        ("identity-adaface:below-0.45", None, "below-0.45"),
    ],
)
def test_a_column_of_values_may_be_asked_for_beside_a_file(asked: str, file: str | None, column: str | None) -> None:
    found = parse_metric(asked)
    assert (found.file, found.aggregate) == (file, column)


def test_a_file_that_is_called_like_a_column_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.onnx:auc-10").touch()
    assert parse_metric(f"nme@pfld-68={tmp_path}/mine.onnx:auc-10").aggregate is None


def test_two_names_of_one_column_are_one_metric() -> None:
    setup = Setup(get_profile("sparnet"), 8)
    found = find_metrics(["psnr", "nme-dlib:auc-10", "nme-dlib", "nme-dlib:auc-8"], setup)
    assert [metric.key for metric in found] == ["psnr", "nme-dlib"]
    names = ["psnr", "nme-dlib:auc-10", "nme-dlib", "psnr"]
    assert asked_columns(names, found) == ("psnr", "nme-dlib:auc-10", "nme-dlib")
    with pytest.raises(MetricError, match="did you mean"):
        find_metrics(["fid[cleam]"], setup)


def test_a_metric_of_sets_says_what_it_is_compared_with(tmp_path: Path) -> None:
    ffhq = ReferenceSet("ffhq512", tmp_path / "ffhq512.npz", "0" * 64)
    setup = Setup(get_profile("basicsr-rgb"), 1, reference_set=ffhq)
    both = find_metrics(["fid[clean:hr]", "fid[clean]", "fid[:ffhq512]"], setup)
    assert [metric.key for metric in both] == ["fid[clean]", "fid[clean:ffhq512]", "fid[pytorch-fid:ffhq512]"]
    assert [metric.context.reference_set for metric in both] == [None, ffhq, ffhq]
    assert both[0].context.typed == "fid[clean:hr]" == str(Spec.parse("fid[clean:hr]"))
    assert chosen_metrics(["fid[clean:hr]", "fid[clean:ffhq512]"], [metric.key for metric in both]) == [
        "fid[clean]",
        "fid[clean:ffhq512]",
    ]
    with pytest.raises(MetricError, match=r"give the statistics to compare with: --fid-reference celeba=FILE"):
        find_metrics(["fid[clean:celeba]"], setup)
    with pytest.raises(MetricError, match=r"psnr is computed image by image"):
        parse_metric("psnr[:hr]")


def test_table_takes_what_run_takes(tmp_path: Path) -> None:
    assert chosen_metrics(["lpips@squeeze=any/file.pth", "psnr"], KEYS) == ["lpips@squeeze:0123abcd", "psnr"]
    assert chosen_metrics(["other=lpips@squeeze='a, b.pth'"], KEYS) == ["lpips@squeeze:0123abcd"]
    assert chosen_metrics(["nme-dlib:auc-10"], KEYS) == ["nme-dlib:auc-10"]
    assert chosen_metrics(["nme-dlib"], KEYS) == ["nme-dlib"]
    assert chosen_metrics(["fid"], KEYS) == ["fid[clean]", "fid[pytorch-fid]"], "every variant that there is"
    for absent in ("ssim", "lpips@alex=x.pth", str(tmp_path)):
        with pytest.raises(ResultsError, match="metric of these results"):
            chosen_metrics([absent], KEYS)
