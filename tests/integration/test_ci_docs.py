"""docs/ci.md is true: its commands run as they stand, as in a CI; its YAML is what GitHub and GitLab read."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- (try|python):(?: status (\d))? -->\n```\w+\n(.*?)```", re.DOTALL)


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment as a CI's, where `python` is ours."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "python").chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if name not in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    ours = str(ROOT) + os.pathsep + os.environ.get("PYTHONPATH", "")
    return {**kept, "PATH": path, "PYTHONPATH": ours, "CI": "true", "GIT_CONFIG_GLOBAL": os.devnull}


def shell(text: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    words = ["bash", "-euo", "pipefail", "-c", text]
    return subprocess.run(
        words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_its_commands_go_from_nothing_to_red_and_back_to_green(tmp_path: Path, bare: dict[str, str]) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    blocks = [(int(status or 0), text) for kind, status, text in BLOCK.findall(TEXT) if kind == "try"]
    assert [status for status, _ in blocks] == [0, 0, 1, 0]
    said = []
    for status, text in blocks:
        done = shell(text, folder, bare)
        assert done.returncode == status, done.stdout + done.stderr
        assert "\x1b[" not in done.stdout + done.stderr
        said.append(done.stdout)
    assert "IDENTICAL" in said[1]
    assert "REGRESSED" in said[2]
    assert "data:image/png" in (folder / "check.html").read_text()
    (python,) = [text for kind, _, text in BLOCK.findall(TEXT) if kind == "python"]
    (folder / "test_face.py").write_text(python)
    passed = shell("python -m pytest -q -p no:cacheprovider test_face.py", folder, bare)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    shell("sed -i 's/return /return 0.9 * /' mynet/method.py", folder, bare)
    failed = shell("python -m pytest -q -p no:cacheprovider test_face.py", folder, bare)
    assert failed.returncode == 1
    assert "facesr-bench: regressed" in failed.stdout


def action() -> dict[str, Any]:
    import yaml

    read: dict[str, Any] = yaml.safe_load((ROOT / ".github/actions/check/action.yml").read_text())
    return read


def test_the_actions_step_runs_as_github_would_run_it(tmp_path: Path, bare: dict[str, str], faces: Path) -> None:
    pytest.importorskip("yaml")
    (step,) = [step for step in action()["runs"]["steps"] if step.get("id") == "check"]
    data = f"--data folder-x8={faces} --metrics psnr"
    given = {"METHODS": "bicubic", "PROTOCOLS": "folder-x8", "BASELINE": "base", "POLICY": "", "ARGUMENTS": data}
    assert set(given) == set(step["env"])
    files = {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    evil = {**given, "METHODS": "$(touch evil);`touch evil`"}
    accepting = {**given, "ARGUMENTS": f"{data} --accept"}
    for values, status in ((given, 3), (accepting, 0), (given, 0), ({**given, "METHODS": "nearest"}, 3), (evil, 2)):
        done = shell(step["run"], tmp_path, {**bare, **files, **values})
        assert done.returncode == status, done.stdout + done.stderr
        assert (tmp_path / "output").read_text().splitlines()[-1] == f"status={status}"
    assert not (tmp_path / "evil").exists()
    assert "### facesr-bench: identical" in (tmp_path / "summary").read_text()
    assert (tmp_path / "facesr-bench.xml").is_file()


def test_no_input_of_the_action_is_text_of_a_script() -> None:
    pytest.importorskip("yaml")
    for step in action()["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.github-actions", ".github/actions/check/action.yml"),
        ("vendor.github-workflows", "docs/ci/github.yml"),
        ("vendor.github-workflows", ".github/workflows/ci.yml"),
        ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/bug.yml"),
        ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/published-number.yml"),
        ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/wrong-number.yml"),
        ("vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
        ("vendor.citation-file-format", "CITATION.cff"),
        ("vendor.gitlab-ci", "docs/ci/gitlab.yml"),
    ],
)
def test_every_yaml_of_the_project_is_of_its_schema(schema: str, file: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema"]
    if importlib.util.find_spec("check_jsonschema") is None:
        if (found := shutil.which("check-jsonschema")) is None:
            pytest.skip("needs check-jsonschema")
        command = [found]
    done = subprocess.run(
        [*command, "--builtin-schema", schema, str(ROOT / file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_citation_is_of_this_release() -> None:
    import facesr_bench

    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {facesr_bench.__version__}\n" in text


def test_a_page_about_the_gate_names_every_verdict_tier_and_format() -> None:
    from facesr_bench.report.gate.formats import FORMATS
    from facesr_bench.results.gate.verdict import Verdict

    for name in (*(verdict.value for verdict in Verdict), *FORMATS, "critical", "supporting", "advisory"):
        assert name in TEXT, name
