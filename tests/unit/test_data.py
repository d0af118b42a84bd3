"""Where data is looked for, in which order, and what is said when it is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from facesr_bench.base.config import config_files
from facesr_bench.base.errors import CardError, DataError, PluginError
from facesr_bench.cli import main
from facesr_bench.data import protocols, sources
from facesr_bench.plugins import registry

PLACES = [
    "given protocol",
    "given dataset",
    "environment protocol",
    "environment dataset",
    "project protocol",
    "project dataset",
    "user protocol",
    "user dataset",
]


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data is configured, whoever runs the tests."""
    for name in (*protocols.protocol_names(), *registry.datasets().names()):
        monkeypatch.delenv(sources.variable_of(name), raising=False)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    (tmp_path / "xdg" / "facesr-bench").mkdir(parents=True)


@pytest.fixture
def fresh_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry of datasets that a test may add to, in the place of the built-in ones."""
    found = registry.datasets()
    monkeypatch.setattr(registry, "datasets", lambda: found)


@pytest.mark.parametrize("count", range(1, len(PLACES) + 1))
def test_order_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """With only the last `count` places filled, the first of those wins."""
    filled = PLACES[-count:]
    folder = {place: tmp_path / place.replace(" ", "-") for place in PLACES}
    for path in folder.values():
        path.mkdir()
    key = {"protocol": "helen-x8", "dataset": "helen"}
    given: dict[str, Path] = {}
    tables: dict[str, list[str]] = {"project": [], "user": []}
    for place in filled:
        where, kind = place.split()
        if where == "given":
            given[key[kind]] = folder[place]
        elif where == "environment":
            variable = {"protocol": "FACESR_BENCH_DATA_HELEN_X8", "dataset": "FACESR_BENCH_DATA_HELEN"}[kind]
            monkeypatch.setenv(variable, str(folder[place]))
        else:
            tables[where].append(f'{key[kind]} = "{folder[place]}"')
    (tmp_path / "project" / "facesr-bench.toml").write_text("\n".join(["[data]", *tables["project"]]))
    (tmp_path / "xdg" / "facesr-bench" / "config.toml").write_text("\n".join(["[data]", *tables["user"]]))
    assert sources.resolve("helen-x8", "helen", given) == folder[filled[0]]


def test_nothing_given() -> None:
    assert sources.resolve("helen-x8", "helen", {}) is None
    assert sources.resolve("helen-x8", "helen", {"celeba": Path("/")}) is None


def test_a_config_path_is_relative_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "xdg" / "facesr-bench" / "faces").mkdir()
    (tmp_path / "xdg" / "facesr-bench" / "config.toml").write_text('[data]\nhelen = "faces"\n')
    assert sources.resolve("helen-x8", "helen", {}) == tmp_path / "xdg" / "facesr-bench" / "faces"


def test_user_config_by_default_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config_files()[1] == tmp_path / ".config" / "facesr-bench" / "config.toml"


@pytest.mark.parametrize("place", ["given", "environment", "config"])
def test_tilde_is_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "faces").mkdir()
    given = {"helen": Path("~/faces")} if place == "given" else {}
    if place == "environment":
        monkeypatch.setenv("FACESR_BENCH_DATA_HELEN", "~/faces")
    if place == "config":
        Path("facesr-bench.toml").write_text('[data]\nhelen = "~/faces"\n')
    assert sources.resolve("helen-x8", "helen", given) == tmp_path / "faces"


def test_a_path_that_does_not_exist_says_where_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"^nowhere: no such .* \(data of helen-x8, from --data helen=\.\.\.\)"):
        sources.resolve("helen-x8", "helen", {"helen": Path("nowhere")})
    Path("facesr-bench.toml").write_text('[data]\nhelen-x8 = "nowhere"\n')
    with pytest.raises(DataError, match=r"nowhere: no such .* from \[data\] helen-x8 in .*facesr-bench\.toml"):
        sources.resolve("helen-x8", "helen", {})
    monkeypatch.setenv("FACESR_BENCH_DATA_HELEN", "nowhere")
    with pytest.raises(DataError, match="from environment variable FACESR_BENCH_DATA_HELEN"):
        sources.resolve("helen-x8", "helen", {})


@pytest.mark.parametrize("protocol", ["helen-x8", "demo-x8"])
def test_unknown_name_given(protocol: str) -> None:
    with pytest.raises(DataError, match=r"--data hellen=\.\.\.: .*did you mean 'helen'"):
        sources.open_dataset(protocol, {"hellen": Path("/")})


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("[data\n", CardError, "facesr-bench.toml: not valid TOML"),
        ("data = 3\n", DataError, r"facesr-bench.toml: \[data\] must be a table of paths"),
        ("[data]\nhelen = 3\n", DataError, r"facesr-bench.toml: \[data\] must be a table of paths"),
    ],
)
def test_wrong_config(text: str, error: type[Exception], message: str) -> None:
    Path("facesr-bench.toml").write_text(text)
    with pytest.raises(error, match=message):
        sources.resolve("helen-x8", "helen", {})


def test_missing_data_says_how_to_get_it() -> None:
    Path("facesr-bench.toml").write_text('[data]\nhellen = "/"\n')
    with pytest.raises(DataError) as caught:
        sources.open_dataset("helen-x8", {})
    message = str(caught.value)
    card = registry.datasets().get("helen").require_card()
    assert "--data helen-x8=DIR" in message
    assert "FACESR_BENCH_DATA_HELEN_X8" in message
    for line in (*card.obtain.strip().splitlines(), *card.layout.strip().splitlines()):
        assert line in message
    assert "'hellen', which is no protocol or dataset" in message


def test_readiness(tmp_path: Path) -> None:
    assert sources.why_not_ready("demo-x8", {}) is None
    assert "needs data that was not given" in (sources.why_not_ready("celeba-x8", {}) or "")
    assert "no pictures in it" in (sources.why_not_ready("folder-x8", {"folder": tmp_path}) or "")


@pytest.mark.parametrize("name", ["demo", "demo-x8"])
def test_data_for_a_dataset_that_brings_its_own(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="dataset demo brings its own data"):
        sources.open_dataset("demo-x8", {name: tmp_path})


def test_find_protocol() -> None:
    plugin, protocol = protocols.find_protocol("helen-dic-x8")
    assert (plugin.name, protocol.name, protocol.expected_count) == ("helen", "helen-dic-x8", 50)
    with pytest.raises(PluginError, match="no protocol is called 'helen-8x'; did you mean 'helen-x8'"):
        protocols.find_protocol("helen-8x")


@pytest.mark.usefixtures("fresh_registry")
def test_a_protocol_of_two_datasets(tmp_path: Path) -> None:
    original = registry.datasets().get("demo").folder / "card.toml"
    other = tmp_path / "other"
    other.mkdir()
    (other / "card.toml").write_text(original.read_text(encoding="utf-8").replace('name = "demo"', 'name = "other"'))
    registry.datasets().add(other)
    with pytest.raises(PluginError, match="2 datasets define protocol 'demo-x8'") as caught:
        protocols.find_protocol("demo-x8")
    assert str(original.parent) in str(caught.value)
    assert str(other) in str(caught.value)


@pytest.mark.usefixtures("fresh_registry")
def test_a_broken_card_is_named_when_a_protocol_is_not_found(tmp_path: Path) -> None:
    registry.datasets().plugins.append(registry.read_plugin("dataset", tmp_path / "broken", "entry point broken"))
    with pytest.raises(PluginError, match=r"dataset not readable: .*broken"):
        protocols.find_protocol("mine-x8")
    assert protocols.find_protocol("demo-x8")[1].name == "demo-x8"


@pytest.mark.usefixtures("fresh_registry")
def test_list_names_the_variable_and_the_table_entry_that_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = (registry.datasets().get("folder").folder / "card.toml").read_text(encoding="utf-8")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "card.toml").write_text(card.replace('name = "folder"', 'name = "my.data"').replace("folder-", "mine-"))
    registry.datasets().add(folder)
    assert main(["list", "protocols"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert 'or FACESR_BENCH_DATA_MY_DATA=DIR, or "my.data" = "DIR" under [data]' in shown
    assert "FACESR_BENCH_DATA_HELEN=DIR" in shown and ' helen = "DIR"' in shown
    for place in ("variable", "table"):
        assert not sources.is_given("mine-x8", "my.data", {})
        if place == "variable":
            monkeypatch.setenv("FACESR_BENCH_DATA_MY_DATA", str(tmp_path))
        else:
            Path("facesr-bench.toml").write_text(f'[data]\n"my.data" = "{tmp_path}"\n')
        assert sources.is_given("mine-x8", "my.data", {}), place
        monkeypatch.delenv("FACESR_BENCH_DATA_MY_DATA", raising=False)
