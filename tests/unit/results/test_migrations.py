"""Results of earlier releases: one stored result per version of the format is read as if written today."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.base import hashing
from facesr_bench.base.errors import ResultsError
from facesr_bench.base.hashing import canonical
from facesr_bench.data.protocols import find_protocol
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.adoption import REWRITTEN
from facesr_bench.evaluation.request import RunOutcome, RunRequest
from facesr_bench.plugins import registry
from facesr_bench.plugins.profile import profiles
from facesr_bench.results.leaderboard import groups
from facesr_bench.results.migrations import migrated
from facesr_bench.results.record import SCHEMA, Manifest
from facesr_bench.results.store import open_result
from facesr_bench.results.summary import summarise
from tests.stored import newest_results

STORED = Path(__file__).parents[2] / "fixtures" / "results"
V1 = STORED / "v1" / "demo-x8" / "bicubic" / "c64a039d015a1c77"
CARDS = json.loads((STORED / "v1" / "cards.json").read_text())


def test_every_earlier_version_has_a_stored_result() -> None:
    assert sorted(path.name for path in STORED.iterdir()) == [f"v{version}" for version in range(1, SCHEMA)]


def test_a_result_of_version_1_is_read_as_one_of_today() -> None:
    result = open_result(V1)
    manifest = result.manifest
    assert manifest.schema_version == SCHEMA and manifest.request is None and "--methods nearest," in manifest.command
    assert manifest.profile.model_dump()["pixels"] == {"channel": "y-bt601", "luma_rounding": "floor"}
    assert len(result.rows()) == 7 and all(row.identity is None for row in result.rows().values())
    (row,) = summarise([result])
    assert row.n == 7 and row.means["psnr"] == pytest.approx(25.1, abs=5) and row.counts["psnr"] == 7
    again = Manifest.from_json(json.loads(json.dumps(manifest.to_json())))
    assert again == manifest, "and is written in today's form"


@pytest.mark.parametrize("name", sorted(CARDS["profiles"]))
def test_profiles_and_protocols_of_version_1_mean_the_same_today(name: str) -> None:
    """So results of both versions rank beside each other; those whose cards do differ must not."""
    (protocol,) = (card for key, card in CARDS["protocols"].items() if key == "helen-x8")
    profile = profiles()[name]
    old = json.loads((V1 / "manifest.json").read_text()) | {"protocol": protocol, "profile": CARDS["profiles"][name]}
    today = {"protocol": canonical(find_protocol("helen-x8")[1]), "profile": canonical(profile)}
    assert migrated(old)["definition"] == hashing.fingerprint(today)
    other = {**old, "profile": {**old["profile"], "border": 5}}
    assert migrated(other)["definition"] != hashing.fingerprint(today)


@pytest.mark.parametrize("name", sorted(CARDS["protocols"]))
def test_protocols_of_version_1_mean_the_same_today(name: str) -> None:
    old = json.loads((V1 / "manifest.json").read_text()) | {"protocol": CARDS["protocols"][name]}
    today = {"protocol": canonical(find_protocol(name)[1]), "profile": canonical(profiles()["sparnet"])}
    assert migrated(old)["definition"] == hashing.fingerprint(today)


@pytest.mark.parametrize(("kind", "name"), sorted(REWRITTEN))
def test_built_ins_that_were_rewritten_are_there(kind: str, name: str) -> None:
    """One whose code has changed since is computed anew: its entry then does nothing, and may go."""
    found: Any = registry.methods() if kind == "method" else registry.datasets()
    assert found.get(name).card is not None
    assert all(len(value) == 64 for value in REWRITTEN[kind, name])


def demo_run(out: Path, *methods: str, **more: Any) -> RunOutcome:
    return runner.run(RunRequest(methods, ("demo-x8",), out=out, metrics=("psnr", "ssim"), **more))


@pytest.fixture
def old_results(tmp_path: Path) -> Path:
    """A results folder with one result of version 1, if this machine has the pictures that it was computed from."""
    pytest.importorskip("insightface")
    (now,) = demo_run(tmp_path / "now", "nearest", limit=1).results
    if now.manifest.data.hash != open_result(V1).manifest.data.hash:
        pytest.skip("the packages installed here bring other demo pictures")
    shutil.copytree(STORED / "v1", tmp_path / "out")
    return tmp_path / "out"


def test_a_result_of_version_1_is_found_and_used(old_results: Path) -> None:
    old = open_result(old_results / V1.relative_to(STORED / "v1"))
    rows = old.rows()
    inputs = old.inputs_folder / "lr"
    inputs.mkdir(parents=True)
    (inputs / "astronaut.png").write_bytes(b"a picture")
    outcome = demo_run(old_results, "bicubic")
    assert outcome.computed == 0 and outcome.problems == []
    (result,) = outcome.results
    assert result.rows() == rows and not old.folder.exists()
    assert (result.inputs_folder / "lr" / "astronaut.png").read_bytes() == b"a picture"
    stored = json.loads((result.folder / "manifest.json").read_text())
    assert stored["schema_version"] == SCHEMA and stored["fingerprint"] == result.folder.name
    assert stored["command"] == old.manifest.command and stored["created"] == old.manifest.created
    assert demo_run(old_results, "bicubic").computed == 0, "now by its own name"


def test_it_is_not_used_where_something_that_decides_it_has_changed(old_results: Path) -> None:
    for more in ({"profile": "basicsr-y"}, {"precision": "bf16"}):
        assert demo_run(old_results, "bicubic", **more).computed == 7
    path = old_results / V1.relative_to(STORED / "v1") / "manifest.json"
    path.write_text(path.read_text().replace("bicubic-pillow", "bicubic-matlab"))
    assert demo_run(old_results, "bicubic").computed == 7
    assert path.is_file()


def test_a_result_of_version_1_ranks_beside_those_of_today(old_results: Path) -> None:
    assert demo_run(old_results, "nearest").computed == 7
    (group,) = groups(summarise(newest_results(old_results)))
    assert [(row.label, row.comparable, row.unranked) for row in group.rows] == [
        ("bicubic", True, ""),
        ("nearest", True, ""),
    ]
    assert "psnr" in group.rows[0].best


def test_a_damaged_manifest_of_version_1_says_what_it_lacks(tmp_path: Path) -> None:
    manifest = json.loads((V1 / "manifest.json").read_text())
    for lacking in ("protocol", "profile", "method"):
        path = tmp_path / "manifest.json"
        path.write_text(json.dumps({key: value for key, value in manifest.items() if key != lacking}))
        with pytest.raises(ResultsError, match=f"manifest.json: damaged.*{lacking}.*; remove the folder"):
            open_result(tmp_path)
