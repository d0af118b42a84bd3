"""What a method computes, as one ONNX file."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facesr_bench.base.errors import PLUGIN_ERRORS, MethodError, PluginError, first_line
from facesr_bench.base.files import check_file_writable, replacing
from facesr_bench.plugins.method import MethodBase, MethodContext, make_method
from facesr_bench.plugins.network_file import PROPERTY, Runtime, StatedOnnx
from facesr_bench.plugins.spec import MethodSpec, parse_method
from facesr_bench.weights import Weights, resolve_method

if TYPE_CHECKING:
    from torch import Tensor, nn

OPSET = 18
TOLERANCE = 1e-3
"""How far the file's output may be from the method's, of [0, 1]: a quarter of a level of 8 bits."""
INPUT, OUTPUT = "lr", "sr"
_FREE_SIDES = (24, 40)
"""Height and width to trace with where any are taken: two that are not equal, and not a network's own size."""
_LARGEST_SIDE = 1 << 14


@dataclass(frozen=True)
class Opened:
    """A method with its network open, to be exported."""

    spec: MethodSpec
    method: MethodBase
    weights: Weights | None


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        difference: of its output from the method's on one picture, at most, of [0, 1].
    """

    path: Path
    size: int
    difference: float
    stated: StatedOnnx


def opened(text: str, scale: int) -> Opened:
    """The method that a user's text means, its network open on the CPU.

    Raises:
        FaceSRBenchError: unknown, or it can't be loaded.
    """
    spec = parse_method(text)
    found, argument = resolve_method(spec.plugin, spec.weights), spec.opened()
    card = argument.card if argument else spec.plugin.require_card()
    context = MethodContext(card, scale, found.path if found else None, spec.argument)
    method = make_method(spec.plugin.load_class(), context)
    method.load()
    return Opened(spec, method, found)


def to_onnx(source: Opened, path: Path, runtime: Runtime = "onnxruntime") -> Exported:
    """Write what a method's `upscale` computes for one image, RGB in [0, 1] on both sides, as an ONNX file.

    Its metadata say how it is called. The file is run once by onnxruntime, and kept if it gives what the method gives.

    Args:
        runtime: what its metadata name to compute it.

    Raises:
        MethodError: the method can't be traced by torch, draws random numbers, or the file gives something else.
        ResultsError: it can't be written.
    """
    method = source.method
    if path.suffix.lower() != ".onnx":
        raise MethodError(f"--onnx {path}: the file's name must end in .onnx")
    if not method.card.deterministic:
        raise MethodError(f"{method.card.name} draws random numbers, so no file computes what it does")
    check_file_writable(path)
    picture = _picture(method)
    expected = method.upscale(picture).numpy()
    program = _traced(method, picture)
    stated = _stated(source, runtime)
    with replacing(path) as partial:
        _save(program, stated, partial)
        difference = float(np.abs(_run(partial, picture.numpy()) - expected).max())
        if not difference <= TOLERANCE:
            raise MethodError(f"{method.card.name}: its ONNX file differs by {difference:.2g}; it was not kept")
    return Exported(path, path.stat().st_size, difference, stated)


def _picture(method: MethodBase) -> Tensor:
    """1x3xhxw of random colours, of a size that the method takes."""
    card = method.card
    if card.output_size is not None:
        height = width = card.output_size if card.input == "bicubic" else card.output_size // method.scale
    else:
        height, width = _FREE_SIDES
    drawn = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return method.batch([drawn])


def _traced(method: MethodBase, picture: Tensor) -> Any:
    """torch's program of the method's `upscale`; the picture's sides stay free where the card fixes none."""
    try:
        import onnxscript  # noqa: F401 - torch.onnx needs it
        import torch
    except ImportError as error:
        raise MethodError("exporting needs onnx and onnxscript: pip install 'facesr-bench[onnx]'") from error
    sizes = None
    if method.card.output_size is None:
        height, width = (torch.export.Dim(name, min=8, max=_LARGEST_SIDE) for name in ("height", "width"))
        sizes = ({2: height, 3: width},)
    name = method.card.name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.onnx.export(
                _module(method),
                (picture,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=sizes,
                external_data=False,
                verbose=False,
            )
    except PLUGIN_ERRORS as error:
        reason = first_line(error.__cause__ or error)
        raise PluginError(
            f"{name} can't be exported: torch can't trace its `upscale` ({reason}); it must be torch from its input to "
            "its output, with nothing done by Pillow, numpy or another library"
        ) from error


def _module(method: MethodBase) -> nn.Module:
    """The method as a torch module, without `torch.inference_mode`, which can't be traced."""
    from torch import nn

    upscale = inspect.unwrap(type(method).upscale)

    class Upscale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, value in vars(method).items():
                if isinstance(value, nn.Module):
                    self.add_module(name.strip("_"), value)
            self.eval()

        def forward(self, lr: Tensor) -> Any:
            return upscale(method, lr)

    return Upscale()


def _stated(source: Opened, runtime: Runtime) -> StatedOnnx:
    """What the file says of itself."""
    card, weights = source.method.card, source.weights
    licence = weights.card.licence if weights and weights.card else None if weights else card.licence
    return StatedOnnx(
        title=card.title,
        summary=f"{card.title}{f', weights {weights.name}' if weights else ''}, exported by facesr-bench",
        licence=licence,
        paper=card.paper,
        code=card.code,
        weights=weights.name if weights else None,
        training_data=weights.training_data if weights else None,
        parameters=card.parameters,
        input=card.input,
        range=(0.0, 1.0),
        colours="rgb",
        layout="nchw",
        scale=source.method.scale if card.input == "lr" else 1,
        aligned="ffhq" if card.needs_ffhq_alignment else None,
        runtime=runtime,
    )


def _save(program: Any, stated: StatedOnnx, path: Path) -> None:
    import onnx

    model = program.model_proto
    _forget_traces(model.graph)
    for function in model.functions:
        _forget_traces(function)
    state(model, stated)
    onnx.save(model, str(path))


def _forget_traces(graph: Any) -> None:
    """Remove what torch's exporter notes of each node: stack traces.

    They name folders of this machine, and make another file, with another hash, of the same network elsewhere.
    """
    named = ("node", "value_info", "input", "output", "initializer")
    for item in [item for name in named for item in getattr(graph, name, ()) if not isinstance(item, str)]:
        item.ClearField("doc_string")
        del item.metadata_props[:]
        for attribute in getattr(item, "attribute", ()):
            for inner in (attribute.g, *attribute.graphs):
                _forget_traces(inner)


def state(model: Any, stated: StatedOnnx) -> None:
    """Write into an ONNX model how it is called."""
    kept = [entry for entry in model.metadata_props if entry.key != PROPERTY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    entry = model.metadata_props.add()
    entry.key, entry.value = PROPERTY, stated.model_dump_json(exclude_defaults=True)


def _run(path: Path, picture: Any) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    return session.run([OUTPUT], {INPUT: picture})[0]
