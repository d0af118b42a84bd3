"""Results that an earlier release computed and named otherwise, found again where nothing that decides them changed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesr_bench.base import schema1
from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.base.files import check_links, inside
from facesr_bench.base.hashing import canonical
from facesr_bench.plugins.registry import Plugin
from facesr_bench.results.migrations import migrated
from facesr_bench.results.store import MANIFEST

if TYPE_CHECKING:
    from facesr_bench.evaluation.setting import Setting


def adopt(setting: Setting, method: Plugin[Any], weights_hash: str | None, folder: Path) -> None:
    """Move the result that schema 1 kept under another fingerprint to `folder`, if there is one.

    What methods were given is linked to where this release looks for it: other results may still need it there.

    Raises:
        ResultsError: it can't be moved.
    """
    for path in sorted(folder.parent.glob(f"*/{MANIFEST}")):
        manifest = _of_schema_1(path)
        if manifest is None or not _is_the_same(manifest, setting, method, weights_hash):
            continue
        inputs = setting.root / "inputs"
        try:
            earlier = inside(inputs, str(manifest["data"].get("inputs"))[:16])
            check_links(setting.root, earlier)
            _link(earlier, inputs / str(setting.data.inputs)[:16])
            path.parent.rename(folder)
        except FileNotFoundError:  # another run was quicker
            return
        except OSError as error:
            raise ResultsError(f"{path.parent}: can't be moved to {folder}: {error.strerror or error}") from error
        return


def _of_schema_1(path: Path) -> dict[str, Any] | None:
    """None for a manifest of another form, or one that is damaged: that is told where it is read in earnest."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    is_old = isinstance(manifest, dict) and manifest.get("schema_version") == 1 and manifest.get("error") is None
    return manifest if is_old else None


def _is_the_same(manifest: Mapping[str, Any], setting: Setting, method: Plugin[Any], weights_hash: str | None) -> bool:
    """Whether the fingerprint of schema 1, made of what there is today, is the one that the result has."""
    try:
        fingerprint = schema1.fingerprint(
            manifest,
            method=method.name,
            code=_code(method),
            weights=weights_hash,
            precision=setting.options.precision,
            dataset_code=_code(setting.plugin),
            data=setting.data.hash,
        )
        same_task = migrated(manifest)["definition"] == setting.definition
    except (KeyError, TypeError, AttributeError, FaceSRBenchError):
        return False
    return bool(same_task and fingerprint == manifest["fingerprint"])


def _code(plugin: Plugin[Any]) -> str | None:
    """The hash that schema 1 gave a plug-in's code; None for one that it could not have known."""
    if (rewritten := REWRITTEN.get((plugin.kind, plugin.name))) is not None:
        then, today = rewritten
        if plugin.code_hash() == today:
            return then
    decides = schema1.card(plugin.kind, canonical(plugin.require_card()))
    return None if decides is None else plugin.code_hash_with(decides)


def _link(source: Path, target: Path) -> None:
    """Make every file of one folder one of another too: a hard link where the file system can, else a copy."""
    if source == target or not source.is_dir():
        return
    shutil.copytree(source, target, copy_function=_link_file, dirs_exist_ok=True)


def _link_file(source: str, target: str) -> str:
    if not Path(target).exists():
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)
    return target


REWRITTEN: dict[tuple[str, str], tuple[str, str]] = {
    ("method", "bicubic"): (
        "2a921a9e1a922cc849589a50a6b0758f9f026cec05a09d2d01cc5e70ec603255",
        "24fcd7ad53dec625260f891eaf48e2f64a8200a3f61c972d2948a7ace5186fb8",
    ),
    ("method", "bicubic-matlab"): (
        "2638360ff14dd4b8028e704ea25ab10e49fc25928c2235f737583872203af0a5",
        "011857498beacc2a8687c337bc84de6346ee1df14a457bd716a27add8686431d",
    ),
    ("method", "bilinear"): (
        "8bf16bb66b2de5018ac9aee4928f8663a2de61b29912998af2bfc791606f5761",
        "39c0ff1a5ce6ebb6984cdba77a467edb0b2815d8184cedbf2cd48b711f58d89d",
    ),
    ("method", "lanczos"): (
        "d075aadfd727ad9b624289f000a556fb6fed44ce3631c50282aaa89c2a0dad3c",
        "81f239fef1148bc38d96a5aeb331410808d88b131dcc80c1d40a9a7ee80c0ff3",
    ),
    ("method", "nearest"): (
        "58b55899a10bbbd531d9a3e22cc1da04601eb0dc67d8dd97e542477882c2b9b9",
        "7a5976b76dc0ebb1b51dd9fb888bee836235097f1b34fec9bb57b5d59bba09e4",
    ),
    ("method", "sparnet"): (
        "4d8dfe64a4147d780e0f8880baa961435bc9e4a43fb5c6337f4c741576320029",
        "fc2d668347a223a10d4402d206f781d83db7a73fdf558ef0cd1a77bc3b235119",
    ),
    ("method", "sparnet-light-3d"): (
        "5b53589f9965edd51b71e721d3432dc0576cc0d57bb3d595f6615490d9b775ec",
        "4ea11136897caf7529061d625f025b894f16b271f13f71d4e5d4613b161a08be",
    ),
    ("method", "sparnethd"): (
        "89d3102e17f6b18d53936e4b7257d14f4fd6f4af36ff2f2066871ddd09377e4a",
        "b082799109c94e0d36ea743e097505fc226833c823825e19475c72e51410cc66",
    ),
    ("method", "sparnethd-3d"): (
        "66bca1db7325165073d8522129202a49eba49a1fd34267d8544377cef2055d0b",
        "aa948af6df9615ef4a7749f6ce140137e9dd07e12aece249576ca45af208c214",
    ),
    ("dataset", "celeba"): (
        "e50490641ee9a01a4a3c040760fb5d6e8157d5bc2842f34a747f82d616c03e85",
        "94b2798dce180331d048266877ae9b6636fd35b4647025ee05cb716aa56d1438",
    ),
    ("dataset", "demo"): (
        "454fd442327001b648bf935ee9839ca6ed2384341b6222f304df9e2663b5f94f",
        "fc432a26045b9bd1a602447ecb6f94a8a15caf1b65015e3341348d3f0eb77ad3",
    ),
    ("dataset", "folder"): (
        "47caa9c8ece7f078d297651a5af1c1a8a14ada81277ea90bffa2cdbbe4971c78",
        "74dc5f9d3f810818c4472d763121fb05533996fe1cae8afc65a4fe4475b99727",
    ),
    ("dataset", "helen"): (
        "d6ece4e52418ef7fc5d56d79ec6d162e8d8f04d94d0349882fbff48b75a0df0f",
        "b34b34b16630be0bf31a5097fb2cbffd960a26d3edb7a203deebdd4e840f495f",
    ),
    ("dataset", "lfw"): (
        "536551b517c9d669cd97bff165467e779ad870d0bf17c775d794e2e57252a04c",
        "0a297868ff5262442e8505acb8da936209401f65a56327cf6da7114736765435",
    ),
    ("dataset", "realworld"): (
        "2158278a701573f4c2d3722578747fde56e1a3bb44b0867f9cb38bb42935c233",
        "c3e308b670be02ca330fd93b2bdac65fa2fc82bbc09abd27fc7658bf9cbc36eb",
    ),
}
"""Built-ins whose code has changed since schema 1, but not their numbers: (kind, name) -> (its hash then, now).

An entry whose second hash is not today's does nothing: that code has changed again, and its results are computed anew.
"""
