"""facesr-bench.toml: plug-ins and networks by name, from the folder of the file, the nearer file first."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from facesr_bench import load_method
from facesr_bench.base.config import strays
from facesr_bench.base.errors import CardError, DataError, FaceSRBenchError, PluginError, WeightsError
from facesr_bench.base.hashing import weights_folder
from facesr_bench.plugins import registry
from facesr_bench.plugins.loading import bundled_folder
from facesr_bench.plugins.spec import parse_method, parse_metric
from facesr_bench.weights import catalogue, require, resolve_method, resolve_metric

METRICS = Path(registry.__file__).parents[1] / "metrics"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with an empty home folder."""
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.chdir(here)
    return here


def config(place: Path, text: str) -> Path:
    path = place / "facesr-bench.toml"
    path.write_text(text, encoding="utf-8")
    return path


def plugin(folder: Path, kind: str, name: str) -> None:
    """A copy of a built-in one under another name."""
    source = {"method": bundled_folder("methods") / "bicubic", "metric": METRICS / "psnr"}[kind]
    shutil.copytree(source, folder)
    card = folder / "card.toml"
    text = card.read_text(encoding="utf-8")
    old = "bicubic" if kind == "method" else "psnr"
    card.write_text(text.replace(f'name = "{old}"', f'name = "{name}"', 1), encoding="utf-8")


def test_a_plug_in_of_ones_own_has_a_name(place: Path) -> None:
    plugin(place / "my" / "net", "method", "mynet")
    plugin(place / "my" / "mae", "metric", "mine")
    assert "mynet" not in registry.methods().names()
    file = config(place, '[methods]\nmynet = "my/net"\n[metrics]\nmine = "./my/mae"\n')
    assert parse_method("mynet").plugin.folder == place / "my" / "net"
    assert parse_method("mynet").plugin.source == str(file)
    assert parse_metric("mine").plugin.folder == place / "my" / "mae"
    assert load_method("mynet").upscale is not None
    file.unlink()
    assert "mynet" not in registry.methods().names()


@pytest.mark.parametrize(
    ("path", "message"),
    [("nowhere", "no card.toml in"), ("net", "the method in .* is called 'mynet'; write it so")],
)
def test_a_wrong_place_costs_its_own_name_alone(place: Path, path: str, message: str) -> None:
    plugin(place / "net", "method", "mynet")
    config(place, f'[methods]\nother = "{path}"\n')
    (broken,) = [found for found in registry.methods().plugins if found.error]
    assert broken.name == "other"
    with pytest.raises(PluginError, match=rf"\[methods\] other in .*facesr-bench.toml: {message}"):
        parse_method("other").plugin.require_card()
    assert parse_method("bicubic").plugin.card is not None


def test_the_nearer_file_comes_first(place: Path, tmp_path: Path) -> None:
    for folder in (place / "net", tmp_path / "home" / "config" / "facesr-bench" / "net"):
        plugin(folder, "method", "mynet")
    config(tmp_path / "home" / "config" / "facesr-bench", '[methods]\nmynet = "net"\n').rename(
        tmp_path / "home" / "config" / "facesr-bench" / "config.toml"
    )
    assert "home" in str(parse_method("mynet").plugin.folder)
    config(place, '[methods]\nmynet = "net"\n')
    assert parse_method("mynet").plugin.folder == place / "net"


def test_the_folder_of_weights(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config(place, '[weights]\nfolder = "nets"\n')
    monkeypatch.delenv("FACESR_BENCH_CACHE", raising=False)
    assert weights_folder() == place / "nets"
    assert catalogue.find("arcface").path == place / "nets" / "_evaluators" / "w600k_r50.onnx"
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(place / "cache"))
    assert weights_folder() == place / "cache" / "weights"


def test_a_published_network_elsewhere_must_still_be_that_network(place: Path) -> None:
    (place / "arc.onnx").write_bytes(b"not it")
    config(place, '[weights]\narcface = "arc.onnx"\n"sparnet@official" = "spar.pth"\n')
    assert catalogue.find("arcface").path == place / "arc.onnx"
    assert catalogue.find("sparnet@official").path == place / "spar.pth"
    with pytest.raises(WeightsError, match=r"arc\.onnx is not the published file"):
        require("arcface")


def test_own_files_have_names(place: Path) -> None:
    """They are what `sparnet@FILE` and `lpips@squeeze=FILE` are, hash in the name and all."""
    for name in ("a.pth", "b.pth"):
        (place / name).write_bytes(name.encode())
    config(place, '[weights]\n"sparnet@mine" = "a.pth"\n"lpips@squeeze" = "b.pth"\n"sparnet@gone" = "c.pth"\n')
    sparnet, lpips = parse_method("sparnet").plugin, parse_metric("lpips").plugin.require_card()
    found = resolve_method(sparnet, "mine")
    assert found is not None
    sha256 = hashlib.sha256(b"a.pth").hexdigest()
    assert (found.path, found.sha256, found.name) == (place / "a.pth", sha256, f"mine:{sha256[:8]}")
    typed = resolve_metric(lpips, "squeeze", str(place / "b.pth"))
    assert resolve_metric(lpips, "squeeze") == typed
    (place / "d.pth").write_bytes(b"another")
    assert resolve_metric(lpips, "squeeze", str(place / "d.pth")) != typed
    with pytest.raises(WeightsError, match=r"sparnet@gone: no such file: .*c.pth \(\[weights\] sparnet@gone in"):
        resolve_method(sparnet, "gone")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('[weights]\narcfac = "x"\n', WeightsError, "did you mean 'arcface'"),
        ('[weights]\n"sparnet@bundled" = "x"\n', WeightsError, "sparnet@bundled comes with the method"),
        ("[weights]\narcface = 3\n", DataError, r"\[weights\] must be a table of paths"),
        ("[weights\n", CardError, "not valid TOML"),
    ],
)
def test_what_means_nothing_is_refused_with_the_files_name(
    place: Path, text: str, error: type[FaceSRBenchError], message: str
) -> None:
    config(place, text)
    with pytest.raises(error, match=rf"facesr-bench.toml.*{message}"):
        catalogue.find("arcface")
    with pytest.raises(error, match=message):
        resolve_method(parse_method("sparnet").plugin, None)


def test_tables_that_are_not_read_are_named(place: Path) -> None:
    config(place, '[dta]\nhelen = "x"\n')
    (said,) = strays()
    assert "has 'dta', which is not read; there are the tables [data], [weights], [methods]" in said
