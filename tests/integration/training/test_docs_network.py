"""docs/network.md: the network of one's own that stands there is trained, resumed, drawn, exported and run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from facesr_bench.cli import main
from tests.training_runs import ROOT

SECTION = (ROOT / "docs" / "network.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`(mynet/[\w./]+)`[^\n]*\n\n```\w+\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL))
COMMANDS = [
    shlex.split(line, comments=True)[1:]
    for line in re.findall(r"```bash\n(.*?)```", SECTION, re.DOTALL)[0].splitlines()
    if line.startswith("facesr-bench")
]
SHORTER = {"train": ["--epochs", "1", "--set", "log_every=1", "--set", "validate_every=1"], "run": ["--limit", "1"]}
"""So that it takes seconds; nothing else is changed."""


def test_the_network_of_the_docs_goes_from_file_to_row(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted(FILES) == ["mynet/card.toml", "mynet/method.py", "mynet/network.py", "mynet/training/recipe.toml"]
    for name, text in FILES.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    assert [words[0] for words in COMMANDS] == ["train", "train", "figure", "weights", "run"]
    for words in COMMANDS:
        ours = [str(data) if word == "~/faces" else "2" if word == "40" else word for word in words]
        shorter = SHORTER.get(words[0], []) if "--resume" not in words else []
        assert main([*ours, *shorter]) == 0, capsys.readouterr().err
    assert Path("curves.png").is_file()
    out = capsys.readouterr().out
    assert all(row in out for row in ("mynet", "sparnet", "bicubic"))
    page = next(Path("results/site/methods").glob("mynet*.html"))
    assert "training.svg" not in page.read_text()  # an exported file has no log beside it
    assert main(["run", "--methods", "./mynet@runs/mynet/best.safetensors", "--limit", "1", "--metrics", "psnr"]) == 0
    pages = [path.read_text() for path in Path("results/site/methods").glob("mynet*.html")]
    assert sum("training.svg" in text for text in pages) == 1
