"""What names a result: it changes with what can change a number, and with nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, Field

from facesr_bench.base import hashing
from facesr_bench.base.hashing import canonical, fingerprint
from facesr_bench.data.protocols import catalogue
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.plan import result_fingerprint
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.evaluation.setting import Setting, inputs_of
from facesr_bench.plugins import registry
from facesr_bench.plugins.cards import DatasetCard, MethodCard, ProtocolCard
from facesr_bench.plugins.profile import Profile
from facesr_bench.plugins.registry import Plugin, read_plugin
from facesr_bench.results.record import DataRecord

METHOD = """
schema_version = 1
kind = "method"
name = "frozen"
title = "Frozen"
summary = "Never changes."
input = "lr"
licence = "MIT"
scales = [4, 8]
options = { depth = 3, names = ["a", "b"] }
default_weights = "first"

[weights.first]
url = "https://example.org/first.pth"
licence = "MIT"
training_data = "drawings"
"""
DATASET = """
schema_version = 1
kind = "dataset"
name = "frozen-set"
title = "Frozen set"
summary = "Never changes."
licence = "CC0"
obtain = "It is here."
layout = "It has none."
needs_data = false

[protocols.frozen-x8]
summary = "Cut out and made smaller."
crop = { rule = "landmarks", enlarge = 1.5, shift_up = 0.1 }
scale = 8
hr_size = 128
source = "hr"
degradation = "bicubic-pillow"
profile = "sparnet"
metrics = ["psnr"]
"""
PROFILE: dict[str, Any] = {
    "name": "frozen",
    "summary": "Never changes.",
    "source": ["somewhere"],
    "quantise": "round",
    "pixels": {"channel": "y-bt601", "border": "scale"},
    "ssim": {"window": "uniform", "size": 7},
}


@pytest.fixture
def plugins(tmp_path: Path) -> tuple[Plugin[MethodCard], Plugin[DatasetCard]]:
    for kind, card in (("method", METHOD), ("dataset", DATASET)):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "card.toml").write_text(card)
        (tmp_path / kind / f"{kind}.py").write_text("answer = 42\n")
    return read_plugin("method", tmp_path / "method", "path"), read_plugin("dataset", tmp_path / "dataset", "path")


def setting_of(dataset: Plugin[DatasetCard], profile: Profile, **options: Any) -> Setting:
    card = dataset.require_card().protocols["frozen-x8"]
    inputs = fingerprint({"data": "d" * 64, **inputs_of(dataset, card)})
    request = RunRequest(["frozen"], ["frozen-x8"], **options)
    setting = Setting(request, catalogue(()), dataset, card, profile, "cpu", ())
    vars(setting)["data"] = DataRecord(hash="d" * 64, count=3, inputs=inputs)  # as if it had listed its pictures
    return setting


def test_fingerprints_of_frozen_cards_never_change(
    plugins: tuple[Plugin[MethodCard], Plugin[DatasetCard]],
) -> None:
    """If this fails, every result of every user is computed anew: raise PIPELINE_VERSION only where numbers change."""
    method, dataset = plugins
    profile = Profile.model_validate(PROFILE)
    setting = setting_of(dataset, profile)
    result = result_fingerprint(setting, "frozen", method.code_hash(), "w" * 64)
    assert (method.code_hash()[:16], setting.data.inputs, setting.definition, result) == (
        "a3dc68cea3f7412e",
        "8708dc187a428884",
        "ab6012b7992a5cb5",
        "073dfdda6c1c4902",
    )


def test_the_canonical_form_is_what_the_card_says() -> None:
    """Defaults and prose are left out, whether they were written down or not."""
    assert canonical(Profile.model_validate(PROFILE)) == {
        "name": "frozen",
        "quantise": "round",
        "pixels": {"channel": "y-bt601", "border": "scale"},
        "ssim": {"window": "uniform", "size": 7},
    }
    spelled = {**PROFILE, "summary": "Other words.", "faces": {"detector": "scrfd"}}
    spelled["pixels"] = {**PROFILE["pixels"], "luma_rounding": "none", "match_statistics": False}
    assert canonical(Profile.model_validate(spelled)) == canonical(Profile.model_validate(PROFILE))


def test_a_new_optional_field_changes_no_fingerprint(plugins: tuple[Plugin[MethodCard], Plugin[DatasetCard]]) -> None:
    class Grown(MethodCard):
        new: str = "usual"
        newer: dict[str, int] = Field(default_factory=dict)

    class GrownSet(DatasetCard):
        new: tuple[str, ...] = ()

    class GrownProtocol(ProtocolCard):
        new: int | None = None

    class GrownProfile(Profile):
        new: list[str] = Field(default_factory=list)

    method, dataset = plugins[0].require_card(), plugins[1].require_card()
    (protocol,) = dataset.protocols.values()
    profile = Profile.model_validate(PROFILE)
    for kind, card in ((Grown, method), (GrownSet, dataset), (GrownProtocol, protocol), (GrownProfile, profile)):
        given = card.model_dump(exclude_unset=True)
        assert canonical(kind.model_validate(given)) == canonical(card)
    used = Grown.model_validate({**method.model_dump(exclude_unset=True), "new": "used"})
    assert canonical(used) == {**canonical(method), "new": "used"}


def test_what_lies_in_cards_is_canonical_too() -> None:
    class Inner(BaseModel):
        DESCRIPTIVE: ClassVar = frozenset({"words"})
        size: int
        words: str = ""
        shape: str = "round"

    class Outer(BaseModel):
        one: Inner | None = None
        many: tuple[Inner, ...] = ()
        named: dict[str, Inner] = Field(default_factory=dict)
        options: dict[str, Any] = Field(default_factory=dict)

    inner = Inner(size=3, words="three")
    found = canonical(Outer(one=inner, many=(inner,), named={"a": inner}, options={"b": [None, 1.5]}))
    assert found == {
        "one": {"size": 3},
        "many": [{"size": 3}],
        "named": {"a": {"size": 3}},
        "options": {"b": [None, 1.5]},
    }
    assert canonical(Outer()) == {}


def test_each_thing_that_can_change_a_number_changes_the_fingerprint(
    plugins: tuple[Plugin[MethodCard], Plugin[DatasetCard]], monkeypatch: pytest.MonkeyPatch
) -> None:
    method, dataset = plugins
    profile = Profile.model_validate(PROFILE)
    code = method.code_hash()

    def name(setting: Setting, code: str = code, weights: str | None = "w") -> str:
        return result_fingerprint(setting, "frozen", code, weights)

    setting = setting_of(dataset, profile)
    seen = [name(setting), name(setting, weights=None), name(setting_of(dataset, profile, precision="bf16"))]
    seen.append(name(setting_of(dataset, Profile.model_validate({**PROFILE, "quantise": "truncate"}))))
    (method.folder / "method.py").write_text("answer = 43\n")
    seen.append(name(setting, code=method.code_hash()))
    (dataset.folder / "dataset.py").write_text("answer = 43\n")
    seen.append(name(setting_of(dataset, profile)))
    monkeypatch.setattr(hashing.fingerprint, "__defaults__", (2,))
    seen.append(name(setting))
    assert len(set(seen)) == len(seen)


def test_code_is_hashed_once_for_each_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    usual = Plugin.code_hash

    def counted(self: Plugin[Any]) -> str:
        hashed.append(self.name)
        return usual(self)

    monkeypatch.setattr(Plugin, "code_hash", counted)
    registry.methods()
    runner.run(RunRequest(["nearest", "bilinear"], ["demo-x8"], out=tmp_path, metrics=["psnr"], limit=1))
    assert sorted(hashed) == ["bilinear", "demo", "nearest"]
