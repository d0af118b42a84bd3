"""A bundle's row in a results folder, beside those that were computed there."""

from __future__ import annotations

import csv
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import facesr_bench
from facesr_bench.cli import main
from facesr_bench.images.files import read_image
from facesr_bench.results.bundle.archive import Archive
from facesr_bench.results.locks import ResultLock
from facesr_bench.results.store import read_results
from tests.bundle_tools import (
    METRICS,
)


class TestARow:
    def test_stands_in_table_csv_and_page_with_its_badge(
        self, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        root = tmp_path / "r"
        facesr_bench.run(["lanczos"], ["demo-x8"], metrics=METRICS, out=root)
        assert main(["add", str(bundle), "--results", str(root), "--level", "2"]) == 0
        out = capsys.readouterr().out
        assert re.search(r"bicubic \(bundle [0-9a-f]{8}\) · re-scored", out)
        assert "not ranked" not in out
        assert 'class="badge"' in (root / "index.html").read_text()
        (page,) = (root / "site/methods").glob("bicubic*.html")
        assert "re-scored; computed here: psnr, ssim; its costs are the sender&#39;s word." in page.read_text()
        main(["table", "--results", str(root), "--format", "csv"])
        rows = {row["method"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
        with Archive(bundle) as archive:
            assert (rows["bicubic"]["bundle"], rows["bicubic"]["verified"]) == (archive.id, "re-scored")
        assert (rows["lanczos"]["bundle"], rows["lanczos"]["verified"]) == ("", "")
        assert main(["add", str(bundle), "--results", str(root), "--level", "2", "--no-report"]) == 2, (
            "it is there already"
        )

    def test_is_found_by_the_label_that_its_sender_gave(
        self, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        root = tmp_path / "r"
        facesr_bench.run(["lanczos"], ["demo-x8"], metrics=METRICS, out=root)
        assert main(["add", str(bundle), "--results", str(root), "--level", "2", "--no-report"]) == 0
        capsys.readouterr()
        assert main(["compare", "bicubic", "lanczos", "--results", str(root)]) == 0
        assert re.match(r"lanczos against bicubic \(bundle [0-9a-f]{8}\) on demo-x8", capsys.readouterr().out)
        facesr_bench.run(["bicubic"], ["demo-x8"], metrics=METRICS, out=root)
        assert main(["compare", "bicubic", "lanczos", "--results", str(root)]) == 0
        assert capsys.readouterr().out.startswith("lanczos against bicubic on demo-x8"), "one's own row comes first"

    def test_is_equal_to_the_result_that_was_sent(self, results: Path, bundle: Path, tmp_path: Path) -> None:
        root = tmp_path / "r"
        assert main(["add", str(bundle), "--results", str(root), "--level", "2", "--no-report"]) == 0
        (added,) = read_results(root).results
        sent = next(result for result in read_results(results).results if result.label == "bicubic")
        assert {i: row.metrics for i, row in added.images.items()} == {i: row.metrics for i, row in sent.images.items()}
        for image_id in sent.images:
            assert np.array_equal(read_image(added.sr_path(image_id)), read_image(sent.sr_path(image_id)))
        assert main(["bundle", str(root), "--out", str(tmp_path / "x.tar")]) == 2, "the sender's own is to be sent"

    def test_that_was_not_computed_here_is_shown_and_never_ranked(
        self, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        root = tmp_path / "r"
        facesr_bench.run(["nearest"], ["demo-x8"], metrics=METRICS, out=root, limit=2)
        assert main(["add", str(bundle), "--results", str(root), "--level", "1", "--no-report"]) == 0
        out = capsys.readouterr().out
        assert re.search(r"bicubic \(bundle [0-9a-f]{8}\) · consistent +7 \(not ranked\)", out)
        assert re.search(r"^nearest +2 ", out, re.MULTILINE), "two images measured here rank before seven claimed"
        assert main(["add", str(bundle), "--results", str(root), "--level", "0", "--no-report"]) == 2

    def test_has_only_the_metrics_that_were_computed_here(
        self, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = ["add", str(bundle), "--results", str(tmp_path), "--level", "2", "--metrics", "ssim", "--no-report"]
        assert main(command) == 0
        (added,) = read_results(tmp_path).results
        assert {name for row in added.images.values() for name in row.metrics} == {"ssim"}


def test_a_row_that_another_process_is_at_is_not_added_over(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["add", str(bundle), "--results", str(tmp_path / "there"), "--no-report"]
    assert main(command) == 0
    (row,) = read_results(tmp_path / "there").results
    shutil.rmtree(row.folder)
    lock = ResultLock(tmp_path / "there", row.folder)
    assert lock.take(wait=False)
    capsys.readouterr()
    assert main(command) != 0
    assert "another run works on it (process " in capsys.readouterr().err
    assert not row.folder.exists(), "nothing is written"
    lock.release()
    assert main(command) == 0
    assert read_results(tmp_path / "there").results[0].manifest.origin is not None
