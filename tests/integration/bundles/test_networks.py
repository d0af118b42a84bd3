"""Bundles with values of networks: features of a set, and networks of the user's own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import facesr_bench
from facesr_bench.cli import main
from tests.bundle_tools import (
    Contents,
    Verified,
    changed,
    claimed_anew,
    contents,
    with_lines,
)


@pytest.fixture(scope="module")
def sent(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A bundle of two faces, and its metrics as they are asked for here."""
    weights, folder = shared / "weights", tmp_path_factory.mktemp("learned")
    metrics = [
        "psnr",
        f"lpips@squeeze={weights / 'squeezenet1_1_features.pth'}",
        f"identity@mobilefacenet-ms1m={weights / 'mobilefacenet_arcface_ms1m.onnx'}",
        f"nme@pfld-68={weights / 'pfld_68.onnx'}",
    ]
    data = {"helen": shared / "faces" / "helen_test"}
    facesr_bench.run(["bicubic"], ["helen-x8"], metrics=metrics, data=data, limit=2, out=folder / "r")
    path = folder / "x.tar"
    assert main(["bundle", str(folder / "r"), "--out", str(path)]) == 0
    return path, ["--data", f"helen={data['helen']}", "--metrics", ",".join(metrics)]


def test_features_travel_where_asked_and_a_sets_value_is_computed_from_the_pictures(
    tmp_path: Path, inception_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = ["psnr", f"fid[pytorch-fid]@inception-2015={inception_weights}"]
    facesr_bench.run(["bicubic"], ["demo-x8"], metrics=metrics, limit=3, out=tmp_path / "r")
    for name, more in (("plain", []), ("whole", ["--features"])):
        assert main(["bundle", str(tmp_path / "r"), "--out", str(tmp_path / f"{name}.tar"), *more]) == 0
    files = contents(tmp_path / "whole.tar")
    assert sum(name.startswith("1/features/") for name in files) == 3
    assert not any(name.startswith("1/features/") for name in contents(tmp_path / "plain.tar"))
    words = ["--metrics", ",".join(metrics), "--level", "2"]
    for name in ("plain", "whole"):
        seen = Verified(capsys, tmp_path / f"{name}.tar", *words)
        assert (seen.status, seen.levels) == (0, [2]), seen.text

    def better(files: Contents) -> None:
        sets = json.loads(files["1/sets.json"])
        next(iter(sets.values()))["value"] *= 0.9
        files["1/sets.json"] = json.dumps(sets).encode()
        claimed_anew(files)

    lied = changed(tmp_path / "plain.tar", tmp_path / "lied.tar", better)
    seen = Verified(capsys, lied, *words)
    assert (seen.status, seen.levels) == (1, [1])
    assert "fid[pytorch-fid]@inception-2015" in seen.text.split("contradiction", 1)[1]
    facesr_bench.run(["nearest"], ["demo-x8"], metrics=["psnr"], limit=3, out=tmp_path / "none")
    assert main(["bundle", str(tmp_path / "none"), "--out", str(tmp_path / "x.tar"), "--features"]) == 2
    assert "no features of every image" in capsys.readouterr().err


class TestNetworksOfTheUsersOwn:
    """Learned metrics of a bundle, whose networks are files: nobody but the user says where they are."""

    def test_are_given_by_their_files(self, sent: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
        path, words = sent
        seen = Verified(capsys, path, *words, "--level", "2")
        assert (seen.status, seen.levels) == (0, [2]), seen.text
        assert re.search(
            r"\(identity@mobilefacenet-ms1m:\w{8}, lpips@squeeze:\w{8}, nme@pfld-68:\w{8}, psnr\)", seen.text
        )

    def test_that_are_not_given_are_asked_for(
        self, sent: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
    ) -> None:
        path, words = sent
        monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path))
        # A file of the sender's name that happens to lie here is nobody's word.
        monkeypatch.chdir(tmp_path)
        Path("pfld_68.onnx").write_bytes(b"junk")
        seen = Verified(capsys, path, *words[:2])
        assert (seen.status, seen.levels) == (0, [1])
        assert "--metrics 'nme@pfld-68=FILE', a file whose sha256 begins with" in seen.text
        assert "--metrics psnr verifies those alone" in seen.text
        other = words[-1].replace("pfld_68.onnx", "mobilefacenet_arcface_ms1m.onnx")
        seen = Verified(capsys, path, *words[:2], "--metrics", other, "--level", "2")
        assert (seen.status, seen.levels) == (1, [1])
        assert "'nme@pfld-68=FILE', a file whose sha256 begins with" in seen.text
        assert "identity@mobilefacenet-ms1m:b7120c09,lpips@squeeze:d3656a56,psnr verifies those alone" in seen.text
        gone = Verified(capsys, path, *words[:2], "--metrics", "nme@pfld-68=/no/such", "--level", "2")
        assert (gone.status, gone.levels) == (1, [1])
        assert "no such file: /no/such" in gone.text
        typo = Verified(capsys, path, *words[:2], "--metrics", "psnr,lpips@squeeeze", "--level", "2")
        assert (typo.status, typo.levels) == (1, [1])
        assert "did you mean" in typo.text

    @pytest.mark.parametrize("metric", ["lpips", "identity", "nme"])
    def test_see_a_better_value_with_the_means_to_match(
        self, sent: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str], metric: str
    ) -> None:
        path, words = sent

        def better(files: Contents) -> None:
            def lines(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
                (name,) = [key for key in rows[0]["metrics"] if key.startswith(f"{metric}@")]
                rows[0]["metrics"][name] += 0.01
                return rows

            with_lines(files, lines, "1/images.jsonl")
            claimed_anew(files)

        lied = changed(path, tmp_path / "lied.tar", better)
        assert Verified(capsys, lied, "--level", "1").status == 0
        seen = Verified(capsys, lied, *words, "--level", "2")
        assert (seen.status, seen.levels) == (1, [1])
        assert f"{metric}@" in seen.text.split("contradiction", 1)[1]
