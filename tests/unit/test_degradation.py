"""Degradations are exact: stored hashes, whatever the order or the threads. And they are plug-ins."""

from __future__ import annotations

import hashlib
import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench import DegradationBase
from facesr_bench.base.errors import CardError, DataError, PluginError
from facesr_bench.cli import main
from facesr_bench.data import degradation
from facesr_bench.data.protocols import catalogue, find_protocol
from facesr_bench.evaluation.inputs import open_source
from facesr_bench.images.files import Image8, write_png
from facesr_bench.images.matlab import imresize
from facesr_bench.plugins import registry
from facesr_bench.plugins.degradation import DegradationContext, find_degradation, identity, make_degradation

# Pillow's were made by Pillow itself, MATLAB's by the imresize that test_imresize.py proves equal to MATLAB's;
# the parts of the others are tested against OpenCV in degradations/.
HASHES = {
    ("bicubic-pillow", 8): "9a6d3567410c82885a8c1bf218c8bc194af17fee97d1e49a0ebb9943cade13f7",
    ("bicubic-pillow", 4): "ac6f8324737cc282ec9b964d03ef3b93a6c54bbdadb51c07941e9d7132be4051",
    ("bicubic-matlab", 8): "d1143ec90a14d352916f64680d01bc41403ea048113d87f07134240dab44f9e3",
    ("bicubic-matlab", 4): "48e4971e899c509088693fc16af7964f68ba6a15bfdd35bb38861e6f9df8d364",
    ("sparnethd", 1): "4da529cfee319a3a4bfca9e77d7cc33109305210b5f18d7fc1104b46d5a004c1",
    ("gfpgan", 1): "f8ee89f34f196b3e2981d42d38f2d4e1d2a7ea318e92321863356d92fb5dfd09",
    ("vqfr", 1): "f8ee89f34f196b3e2981d42d38f2d4e1d2a7ea318e92321863356d92fb5dfd09",  # gfpgan's, here without colours
    ("codeformer-2", 1): "65dc97aa65394a60cac6116ea538fe411ede4e91c8b8f522326a1e3ee64fe6f1",
    ("codeformer-3", 1): "5e58c37f12554684f010eb33a715c9326a280709601204e9026ca8480516c577",
    ("difface-grid", 1): "e876716fe66cef300d0a621d52ad4a941bd35045326ca104984d3b7bde06e8d2",
    ("hifacegan", 1): "b8f6ea97b0cdbc690fe4aad4bc99a5010191101df844b02b19c36ab254dd09b6",
}
SEED = 789
"""Of a SPARNetHD chain with a Gaussian blur, reduction by area, noise and JPEG."""
BLIND = ("sparnethd", "gfpgan", "vqfr", "codeformer-2", "codeformer-3", "difface-grid", "hifacegan")
NAMES = ("bicubic-pillow", "bicubic-matlab", *BLIND)


def sha256(image: Image8) -> str:
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def made(name: str, scale: int | None = None) -> DegradationBase:
    return make_degradation(find_degradation(name), scale or (1 if name in BLIND else 8))


@pytest.mark.parametrize(("name", "scale"), HASHES)
def test_the_same_bits_on_every_machine(astronaut: NDArray[np.uint8], name: str, scale: int) -> None:
    lr, _ = degradation.apply(made(name, scale), astronaut, SEED)
    assert lr.shape == (192 // scale, 192 // scale, 3)
    assert lr.dtype == np.uint8
    assert sha256(lr) == HASHES[name, scale]


def test_every_degradation_has_a_stored_hash() -> None:
    assert {name for name, _ in HASHES} == set(NAMES) == set(registry.degradations().names())


@pytest.mark.parametrize("name", NAMES)
def test_neither_order_nor_threads_matter(astronaut: NDArray[np.uint8], name: str) -> None:
    faces = {f"face-{i}": np.roll(astronaut, 7 * i, axis=1)[:96, :96] for i in range(24)}
    shared = made(name)

    def degrade(key: str) -> str:
        return sha256(degradation.apply(shared, faces[key], degradation.seed_of("p", key))[0])

    one_by_one = {key: degrade(key) for key in faces}
    assert len(set(one_by_one.values())) == len(faces)
    shuffled = random.Random(5).sample(list(faces), len(faces))
    with ThreadPoolExecutor(8) as pool:
        assert dict(zip(shuffled, pool.map(degrade, shuffled), strict=True)) == one_by_one


@pytest.mark.parametrize("name", NAMES)
def test_hr_is_left_alone_and_what_was_drawn_is_json(astronaut: NDArray[np.uint8], name: str) -> None:
    before = astronaut.copy()
    _, drawn = degradation.apply(made(name), astronaut, 2**64 - 1)
    np.testing.assert_array_equal(astronaut, before)
    assert json.loads(json.dumps(drawn)) == drawn
    assert bool(drawn) == find_degradation(name).require_card().random


def test_seeds_are_a_function_of_the_names() -> None:
    # First 8 bytes of `printf 'helen-x8\0296814969_3' | sha256sum`.
    assert degradation.seed_of("helen-x8", "296814969_3") == 0x564A66CC0133F7D6
    seeds = {degradation.seed_of(p, s) for p in ("a", "ab", "b") for s in ("c", "bc", "")}
    assert len(seeds) == 9


def test_unknown_names_suggest_and_scales_must_fit(astronaut: NDArray[np.uint8]) -> None:
    with pytest.raises(PluginError, match="did you mean 'bicubic-pillow'"):
        find_degradation("bicubic-pilow")
    with pytest.raises(PluginError, match="degradation sparnethd does x1, not x8"):
        made("sparnethd", 8)
    with pytest.raises(DataError, match="192x192, not a multiple of scale 7"):
        degradation.apply(made("bicubic-pillow", 7), astronaut, 0)


CARD = 'schema_version = 1\nkind = "degradation"\nname = "{name}"\ntitle = "T"\nsummary = "S."\nversion = 1\n{more}'
CODE = """
from facesr_bench import DegradationBase

class Degradation(DegradationBase):
    def degrade(self, hr, seed):
        step = self.scale
        {body}
"""


def stranger(folder: Path, body: str, more: str = "", name: str = "mine") -> Path:
    folder.mkdir(parents=True)
    (folder / "card.toml").write_text(CARD.format(name=name, more=more))
    (folder / "degradation.py").write_text(CODE.format(body=body))
    return folder


EVERY_NTH = "return hr[::step, ::step].copy(), {}"


def test_one_of_ones_own_is_found_beside_the_card_that_names_it(tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    stranger(tmp_path / "set" / "nth", EVERY_NTH)
    plugin = find_degradation("./nth", tmp_path / "set")
    lr, _ = degradation.apply(make_degradation(plugin, 4), astronaut, 0)
    np.testing.assert_array_equal(lr, astronaut[::4, ::4])
    with pytest.raises(PluginError, match=r"no card\.toml in it, so it is not a degradation"):
        find_degradation("./nowhere", tmp_path)
    assert "mine" not in registry.degradations().names()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return hr[::2, ::2].copy(), {}", "made 96x96x3 uint8; expected 48x48x3 uint8"),
        ("return hr[::step, ::step] / 255, {}", "made 48x48x3 float64"),
        ("return None, {}", "made NoneType"),
    ],
)
def test_what_it_makes_is_checked(tmp_path: Path, astronaut: NDArray[np.uint8], body: str, message: str) -> None:
    plugin = find_degradation(str(stranger(tmp_path / "d", body)))
    with pytest.raises(DataError, match=message):
        degradation.apply(make_degradation(plugin, 4), astronaut, 0)


def test_code_that_can_not_be_used_is_said(tmp_path: Path) -> None:
    folder = stranger(tmp_path / "d", EVERY_NTH)
    (folder / "degradation.py").write_text("class Degradation:\n    def __init__(self, context):\n        1 / 0\n")
    with pytest.raises(PluginError, match="mine can't be made: ZeroDivisionError"):
        make_degradation(find_degradation(str(folder)), 4)
    (folder / "degradation.py").write_text("class Degradation:\n    def __init__(self, context):\n        pass\n")
    with pytest.raises(PluginError, match=r"must derive from facesr_bench\.DegradationBase"):
        make_degradation(find_degradation(str(folder)), 4)
    (folder / "card.toml").write_text("schema_version = 1")
    with pytest.raises(CardError, match="name: Field required"):
        find_degradation(str(folder))


def test_a_built_in_goes_by_its_version_and_a_stranger_by_its_code(tmp_path: Path) -> None:
    assert all(identity(find_degradation(name)) == {} for name in NAMES)  # as before degradations had versions
    folder = stranger(tmp_path / "d", EVERY_NTH)
    before = identity(find_degradation(str(folder)))
    (folder / "degradation.py").write_text(CODE.format(body="return hr[1::step, ::step].copy(), {}"))
    assert list(before) == ["degradation_code"]
    assert before != identity(find_degradation(str(folder)))


@pytest.mark.parametrize("name", NAMES)
def test_validate_passes_the_built_in(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(find_degradation(name).folder)]) == 0
    out = capsys.readouterr().out
    assert f"degradation {name}" in out and "determinism" in out and "seeds" in out


NOISE = (
    "return (hr[::step, ::step] // 2 + np.random.default_rng(seed).integers(9, size=(16, 16, 3), dtype=np.uint8)), {}"
)


@pytest.mark.parametrize(
    ("body", "more", "message"),
    [
        ("return hr.copy(), {}", "", "expected 16x16x3 uint8"),
        ("return hr[::step, ::step].copy(), None", "", "NoneType for what was drawn; expected a dict"),
        ("return hr[::step, ::step].copy(), {'sigma': step / 3, 'at': (1, 2)}", "", "does not come back from JSON"),
        ("return hr[::step, ::step].copy(), {'sigma': hr}", "", "can't be written as JSON"),
        (EVERY_NTH, "random = true", "random = true, and other seeds gave the same LR"),
        ("import numpy as np; " + NOISE, "", "random = false, and other seeds gave another LR"),
        ("import numpy as np; seed = None; " + NOISE, "random = true", "the same picture and seed gave another LR"),
        ("hr[:] = 0; return hr[::step, ::step].copy(), {}", "", "read-only"),
    ],
)
def test_validate_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, more: str, message: str
) -> None:
    assert main(["validate", str(stranger(tmp_path / "d", body, more))]) == 1
    assert message in capsys.readouterr().out


def test_list_and_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["list", "degradations"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in NAMES) and "random, from a seed per image" in out
    assert main(["new", "degradation", "mine"]) == 0
    assert "facesr-bench validate ./mine" in capsys.readouterr().out
    assert main(["validate", "./mine"]) == 0
    assert main(["new", "degradation", "sparnethd"]) == 2
    assert "a degradation called 'sparnethd' is there already" in capsys.readouterr().err


def test_the_context_can_not_be_changed() -> None:
    context: Any = DegradationContext(find_degradation("bicubic-pillow").require_card(), 8)
    with pytest.raises(AttributeError):
        context.scale = 4


def test_a_protocol_gives_matlabs_lr(tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    write_png(tmp_path / "face.png", astronaut)
    found = {}
    for name in ("folder-x8", "folder-x8-matlab"):
        datasets = catalogue([name])
        _, card = find_protocol(name, datasets)
        found[name] = open_source(card, {"folder": tmp_path}, datasets).read("face").lr
    assert np.array_equal(found["folder-x8-matlab"], imresize(astronaut, (24, 24)))
    away = np.abs(found["folder-x8-matlab"].astype(int) - found["folder-x8"])
    assert away[2:-2, 2:-2].max() <= 2 < away.max(), "Pillow's differs at the border alone"
