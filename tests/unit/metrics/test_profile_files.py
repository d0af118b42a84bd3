"""Profiles as files: what they may say, what they mean, and that the documentation has every field."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from facesr_bench.base.errors import CardError, MetricError
from facesr_bench.base.schema1 import FLAT_PROFILE, nested_profile
from facesr_bench.base.toml import read_toml
from facesr_bench.functional.psnr import PsnrConvention
from facesr_bench.functional.ssim import SsimConvention
from facesr_bench.plugins.convention import FaceConvention, PixelConvention
from facesr_bench.plugins.profile import FOLDER, Profile, get_profile, profiles
from facesr_bench.plugins.registry import metrics


def test_border_follows_the_scale_only_where_it_says_so() -> None:
    assert [get_profile("dic").pixels.border_px(scale) for scale in (2, 8)] == [2, 8]
    assert [get_profile("sfmnet").pixels.border_px(scale) for scale in (2, 8)] == [8, 8]
    assert get_profile("sparnet").pixels.border_px(8) == 0


def test_unknown_profile_suggests_one() -> None:
    with pytest.raises(MetricError, match="no profile is called 'sparnett'; did you mean 'sparnet'"):
        get_profile("sparnett")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ssim": {"size": 8}}, r"ssim: size must be odd"),
        ({"ssim": {"size": 1}}, r"ssim\.size: .*greater than or equal to 3"),
        ({"ssim": {"sigma": 0.0}}, r"ssim\.sigma: .*greater than 0"),
        ({"pixels": {"channel": "rgb", "border": -1}}, r"pixels\.border.*greater than or equal to 0"),
        ({"pixels": {"channel": "rgb", "border": "half"}}, "scale"),
        ({"pixels": {"channel": "rgb", "luma_rounding": "floor"}}, "pixels: .*means nothing with channel rgb"),
        ({"psnr": {"luma_rounding": "round"}}, "psnr: .*means nothing with channel rgb"),
        ({"ssim": {"negative": True}}, "channel y-bt601"),
        ({"pixels": {"chanel": "rgb"}}, r"pixels\.chanel: unknown field; did you mean 'channel'"),
        ({"ssim": {"windw": "uniform"}}, r"ssim\.windw: unknown field; did you mean 'window'"),
        ({"sism": {"size": 9}}, r"no table of a profile is called 'sism'; did you mean 'ssim'"),
        ({"identity-degrees": {"alignment": "each"}}, r"no table .* 'identity-degrees'; did you mean 'identity'"),
        ({"quantize": "round"}, "no field of a profile is called 'quantize'; did you mean 'quantise'"),
        ({"ssim_size": 9}, r"ssim_size is `size` in the table \[ssim\] now"),
        ({"size": 9}, r"size stands outside the tables: it is `size` of the table"),
    ],
)
def test_profile_that_contradicts_itself_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"name": "mine", "summary": "Mine.", "quantise": "round", "pixels": {"channel": "rgb"}}
    assert written(tmp_path, good).source == ("mine.toml",)
    with pytest.raises(CardError, match=message):
        written(tmp_path, good | changes)


def written(folder: Path, profile: dict[str, Any]) -> Profile:
    """A profile as it is read from a user's file."""
    file = folder / "mine.toml"
    fields = [f"{k} = {_toml(v)}" for k, v in profile.items() if not isinstance(v, dict)]
    for table, values in profile.items():
        if isinstance(values, dict):
            fields += [f"[{table}]", *(f"{k} = {_toml(v)}" for k, v in values.items())]
    file.write_text("\n".join(fields))
    return get_profile(str(file))


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def test_a_file_of_the_flat_form_is_read_as_the_tables_it_means(tmp_path: Path) -> None:
    """The form of the first release: one table, named like the profile, with the fields of all metrics."""
    old = {"summary": "Mine.", "quantise": "round", "channel": "y-full", "luma_rounding": "round", "border": 4}
    old |= {"psnr_luma_rounding": "none", "ssim_size": 11, "lpips_size": 64, "face_detector": "yunet"}
    profile = written(tmp_path, {"mine": old})
    assert profile.canonical() == {
        "name": "mine",
        "summary": "Mine.",
        "source": ["mine.toml"],
        "quantise": "round",
        "pixels": {"channel": "y-full", "luma_rounding": "round", "border": 4},
        "faces": {"detector": "yunet"},
        "psnr": {"luma_rounding": "none"},
        "lpips": {"size": 64},
    }
    with pytest.raises(CardError, match="no field of a profile is called 'chanel'; did you mean 'channel'"):
        written(tmp_path, {"mine": {"summary": "Mine.", "quantise": "round", "chanel": "rgb"}})


def test_tables_of_the_first_release_are_those_of_today() -> None:
    """Old manifests hold every field of the flat form; what they mean is what today's files say."""
    defaults = {key: default for key, (_, _, default) in FLAT_PROFILE.items()}
    flat = {"name": "dic", "summary": "", "source": [], "quantise": "round", **defaults, "channel": "y-bt601"}
    flat |= {"luma_rounding": "round", "border": "scale", "ssim_negative": True, "nme_normaliser": "dic"}
    flat |= {"nme_average": "rms"}
    today = {**get_profile("dic").canonical(), "summary": "", "source": []}
    assert nested_profile(flat) == today and nested_profile(today) == today
    flat |= {"psnr_luma_rounding": "round"}
    assert nested_profile(flat) == today, "PSNR's own rounding was the shared one"


@pytest.mark.parametrize("name", sorted(profiles()))
def test_built_in_files_are_valid_and_say_nothing_needlessly(name: str) -> None:
    """As a user's file is checked; and a default written out would give its results another fingerprint."""
    file = FOLDER / f"{name}.toml"
    profile = get_profile(name)
    assert profile.canonical() == read_toml(file), "in this order too"
    for table in profile.tables:
        profile = profile.with_table(table, metrics().get(table).load_class().Convention)
    assert profile.canonical() == read_toml(file)


def test_what_is_a_default_is_no_part_of_a_profile(tmp_path: Path) -> None:
    lean: dict[str, Any] = {"name": "mine", "summary": "x", "quantise": "round", "pixels": {"channel": "y-bt601"}}
    full = lean | {"pixels": {"channel": "y-bt601", "border": 0}, "faces": {"detector": "scrfd"}}
    full |= {"ssim": {"size": 11, "channel": "y-bt601"}, "identity": {"detector": "scrfd"}}
    assert written(tmp_path, full).canonical() == written(tmp_path, lean).canonical()


def test_a_metrics_own_table_goes_before_the_shared_one(tmp_path: Path) -> None:
    mine: dict[str, Any] = {"name": "mine", "summary": "x", "quantise": "round"}
    mine |= {"pixels": {"channel": "y-bt601", "luma_rounding": "round"}, "ssim": {"channel": "rgb"}}
    with pytest.raises(CardError, match="ssim: luma_rounding means nothing with channel rgb"):
        written(tmp_path, mine)
    profile = written(tmp_path, mine | {"ssim": {"channel": "rgb", "luma_rounding": "none"}})
    assert profile.canonical()["ssim"] == {"channel": "rgb", "luma_rounding": "none"}
    assert profile.convention("ssim", SsimConvention).channel == "rgb"
    assert profile.convention("psnr", PsnrConvention).luma_rounding == "round"


def test_a_new_field_of_one_metric_changes_no_profile() -> None:
    class More(SsimConvention):
        new: int = 3

    for profile in profiles().values():
        if "ssim" in profile.tables:
            assert profile.with_table("ssim", More).canonical() == profile.canonical()


def test_listing_profiles_imports_no_metric() -> None:
    code = (
        "import sys; from facesr_bench.plugins.profile import profiles; profiles(); "
        "print([m for m in sys.modules if m in ('torch', 'scipy') or 'functional' in m and 'facesr' in m])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def convention_table() -> str:
    """The fields of every table of a profile, as docs/metrics.md shows them."""
    models: dict[str, type[BaseModel]] = {"pixels": PixelConvention, "faces": FaceConvention}
    own = [
        plugin
        for plugin in metrics().plugins
        if plugin.source == "built in" and not plugin.require_card().implementation
    ]
    models |= {plugin.name: plugin.load_class().Convention for plugin in own}
    lines = ["| table | field | default (or) | what it is |", "|---|---|---|---|"]
    for table, model in models.items():
        for name, field in model.model_fields.items():
            if table in {"pixels", "faces"} or name not in {
                **PixelConvention.model_fields,
                **FaceConvention.model_fields,
            }:
                choices = model.model_json_schema()["properties"][name].get("enum", [])
                default = [] if field.is_required() else [field.default]
                others = ", ".join(f"`{json.dumps(choice)}`" for choice in choices if choice not in default)
                shown = ", ".join("none" if value is None else f"`{json.dumps(value)}`" for value in default)
                values = f"{shown} ({others})".strip() if others else shown
                lines.append(f"| `[{table}]` | `{name}` | {values} | {field.description} |")
    return "\n".join(lines) + "\n"


def test_the_documentation_has_every_field_of_every_table() -> None:
    text = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
    assert convention_table() in text, "bring docs/metrics.md up to date with what convention_table() returns"
