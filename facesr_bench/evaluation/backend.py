"""`run --backend`: a method's network computed otherwise than by torch as it is.

By torch, made faster (`in_torch`), or exported once into the cache and computed by another runtime:

    <cache>/networks/<key>/<method>.onnx   what the method's `upscale` computes; its metadata name the runtime
                          /fp32-cpu.json   how far its pictures are from torch's as it is, found when it was made

The key covers the method's code and weights, the scale, and the versions of all that exports and computes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from facesr_bench.base.devices import torch_device
from facesr_bench.base.environment import package_version
from facesr_bench.base.errors import FaceSRBenchError, MethodError, ResultsError
from facesr_bench.base.files import make_folders, write_json
from facesr_bench.base.hashing import cache_folder, fingerprint
from facesr_bench.evaluation import in_torch
from facesr_bench.evaluation.in_torch import IN_TORCH
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins import registry
from facesr_bench.plugins.cards import MethodCard
from facesr_bench.plugins.doors import row_of
from facesr_bench.plugins.method import MethodBase, MethodContext, make_method
from facesr_bench.plugins.spec import MethodSpec, parse_method
from facesr_bench.results.record import ExportedRecord
from facesr_bench.results.store import Result
from facesr_bench.weights.store import locked

if TYPE_CHECKING:
    from facesr_bench.evaluation.export.onnx_file import Opened
    from facesr_bench.evaluation.request import RunRequest
    from facesr_bench.evaluation.setting import Setting
    from facesr_bench.plugins.network_file import Runtime

TORCH = "torch"
"""The backend that runs methods as they are: the default, which is no part of a fingerprint."""
TITLES = {"onnxruntime": "onnxruntime", "openvino": "OpenVINO"}
_EXPORTERS = ("torch", "onnx", "onnxscript")
_FORMAT = 1
"""Raised where what is exported, or how it is checked, changes."""

LEVELS = 1
"""By how many levels of 8 bits a picture in fp32 may be another than torch's: rounding falls either way at a half."""
FACES = 4
"""Pictures of the self-check, of 128 px; of larger ones it is one."""


def label(spec: MethodSpec, weights: str | None, options: RunRequest) -> str:
    """What a row is called: `sparnet (openvino, bf16)`; torch and fp32 are not mentioned."""
    marks = [word for word, usual in ((options.backend, TORCH), (options.precision, "fp32")) if word != usual]
    return spec.row(weights) + (f" ({', '.join(marks)})" if marks else "")


def check(backend: str, precision: str, device: str) -> None:
    """Refuse what no method could be run with here.

    Args:
        device: as the user wrote it.

    Raises:
        FaceSRBenchError: a library, a compiler or a GPU is missing, or the backend can't do the precision.
    """
    if backend in IN_TORCH:
        in_torch.check(backend, torch_device(device))
    if backend == TORCH or backend in IN_TORCH:
        return
    if backend == "onnxruntime" and precision != "fp32":
        raise FaceSRBenchError(
            f"--backend onnxruntime computes networks as they were exported, in fp32: leave --precision {precision} "
            "out, or take --backend openvino"
        )
    wanted = {"openvino": "openvino"} if backend == "openvino" else {}
    for library, extra in {"onnx": "onnx", "onnxscript": "onnx", **wanted}.items():
        if find_spec(library) is None:
            raise FaceSRBenchError(f"--backend {backend} needs {library}: pip install 'facesr-bench[{extra}]'")


def refuse(card: MethodCard, setting: Setting) -> None:
    """Refuse a method that the backend can't run here.

    Raises:
        MethodError: its card does not say that it can be exported, or the backend has no such device.
        FaceSRBenchError: the machine lacks what the backend needs.
    """
    backend = setting.options.backend
    if backend == TORCH:
        return
    if not card.exportable:
        raise MethodError(
            f"{card.name} is run as it is: its card doesn't say `exportable = true`, as those of networks do whose "
            f"`upscale` is torch from end to end; leave --backend {backend} out for it"
        )
    if backend in IN_TORCH:
        in_torch.check(backend, setting.device)  # not every request is checked beforehand, as that of `verify`
        if not card.deterministic:
            raise MethodError(f"{card.name} draws random numbers: leave --backend {backend} out for it")
    elif setting.device != "cpu" and (backend == "openvino" or not _onnxruntime_has_cuda()):
        raise MethodError(f"--backend {backend} computes on the CPU here; give --device cpu")


def _onnxruntime_has_cuda() -> bool:
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def prepare(setting: Setting, spec: MethodSpec, result: Result) -> Path | None:
    """The network that the backend is to compute, exported and checked if it isn't in the cache; the result says
    what it is. None where torch computes the method, made faster or not.

    Raises:
        MethodError: it can't be exported, the backend makes other pictures of it, or the cache can't be written.
        FaceSRBenchError: the method can't be loaded.
    """
    asked, method = setting.options, result.manifest.method
    if asked.backend == TORCH:
        return None
    made_of = {"code": method.code_hash, "weights": method.weights_sha256, "scale": setting.card.scale}
    key = fingerprint({"format": _FORMAT, **made_of, "versions": _versions(setting)})
    name = spec.plugin.require_card().name
    folder = cache_folder() / "networks" / f"{name}-{asked.backend}-{key}"
    path = None if asked.backend in IN_TORCH else folder / f"{name}.onnx"
    found = folder / f"{asked.precision}-{setting.device.partition(':')[0]}.json"
    with locked(folder):
        record = _read(found) if path is None or path.is_file() else None
        if record is None:
            record = _made(spec, setting, path)
            make_folders(folder)
            write_json(found, record.model_dump(mode="json"), MethodError)
    result.manifest = result.manifest.computed_from(record)
    result.save_manifest()
    return path


def _versions(setting: Setting) -> dict[str, str | None]:
    """Of all that takes part."""
    backend = setting.options.backend
    if backend in IN_TORCH:
        return {"torch": in_torch.runtime(backend, setting.device)}
    return {name: package_version(name) for name in (*_EXPORTERS, backend)}


def _read(path: Path) -> ExportedRecord | None:
    try:
        return ExportedRecord.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):  # nothing is lost but time
        return None


def _made(spec: MethodSpec, setting: Setting, path: Path | None) -> ExportedRecord:
    """What the backend computes, checked.

    Args:
        path: the network's file, which is written unless it is there; None where torch computes it.
    """
    from facesr_bench.evaluation.export import opened, to_onnx

    source, asked = opened(spec.text, setting.card.scale), setting.options
    if path is not None and not path.is_file():
        try:
            to_onnx(source, path, cast("Runtime", asked.backend))
        except ResultsError as error:
            raise MethodError(f"--backend {asked.backend} keeps networks in its cache: {error}") from error
    context = replace(source.method.context, device=setting.device, precision=asked.precision)
    if path is None:
        plain = make_method(spec.plugin.load_class(), context, spec.plugin.world())
        plain.load()
        method = in_torch.in_torch(plain, asked.backend)
    else:
        method = through_door(path, context)
        method.load()
    record = _compared(source, method, asked.backend)
    if asked.precision == "fp32" and record.largest > LEVELS:
        raise MethodError(
            f"{source.method.card.name}: {record.runtime} makes other pictures of it than torch as it is, by up to "
            f"{record.largest} levels of 8 bits; run it without --backend"
        )
    return record


def through_door(path: Path, context: MethodContext) -> MethodBase:
    """An exported network as the method that opens such files makes of it; not loaded.

    Args:
        context: of its own method.

    Raises:
        FaceSRBenchError: it can't be used.
    """
    cards = [plugin.card for plugin in registry.methods().plugins if plugin.card is not None]
    door = parse_method(row_of(path, cards)).plugin
    return make_method(door.load_class(), replace(context, weights=None, argument=str(path)), door.world())


def _compared(source: Opened, method: MethodBase, backend: str) -> ExportedRecord:
    """What the network makes of some faces by the backend, against torch in fp32."""
    faces = _faces(source.method)
    pairs = [(source.method.enhance(face), method.enhance(face)) for face in faces]
    gaps = [np.abs(one.astype(np.int16) - other) for one, other in pairs]
    if backend in IN_TORCH:
        runtime, exporter = in_torch.runtime(backend, method.device), None
    else:
        runtime, exporter = f"{TITLES[backend]} {package_version(backend)}", f"torch {package_version('torch')}"
    return ExportedRecord(
        runtime=runtime,
        exporter=exporter,
        precision=method.precision,
        faces=len(faces),
        values=sum(gap.size for gap in gaps),
        differing=sum(int(np.count_nonzero(gap)) for gap in gaps),
        largest=max(int(gap.max()) for gap in gaps),
    )


def _faces(method: MethodBase) -> Sequence[Image8]:
    """LR of the face that scikit-image ships, cut out in several ways."""
    from skimage import data

    side = method.card.output_size or 128
    picture = data.astronaut()  # type: ignore[no-untyped-call]
    places = [(128 + 16 * i, 8 * i) for i in range(FACES if side <= 128 else 1)]
    lr = (side // method.scale, side // method.scale)
    return [resize(resize(picture, (side, side), (x, y, x + 160, y + 160)), lr) for x, y in places]
