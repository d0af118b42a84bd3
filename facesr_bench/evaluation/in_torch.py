"""`run --backend torch-compile` and `cuda-graphs`: a method's `upscale`, done faster by torch itself.

`torch-compile` has torch's Inductor write and compile kernels for it: C++ on a CPU, Triton on a GPU. `cuda-graphs`
records the kernels that it starts, and has the GPU start them again without Python between them. Both begin anew for
every size of picture.
"""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.base.environment import package_version
from facesr_bench.base.errors import PLUGIN_ERRORS, FaceSRBenchError, MethodError, describe
from facesr_bench.evaluation.batches import BATCH_PIXELS, ON_GPU
from facesr_bench.images.files import Image8
from facesr_bench.plugins.method import AttentionMaps, MethodBase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

COMPILED, GRAPHS = "torch-compile", "cuda-graphs"
IN_TORCH = (COMPILED, GRAPHS)
SIZES = 8
"""Sizes of pictures that a method is compiled or recorded for, so many that torch goes along with."""
_WARM_UP = 3
"""Calls before a graph is recorded: libraries choose and open what they need in the first ones."""
_COMPILERS = {"CPU": ("C++", "CXX", ("g++", "clang++", "c++")), "GPU": ("C", "CC", ("gcc", "clang"))}
"""The language, the environment variable that names a compiler, and those that are looked for."""


def check(backend: str, device: str) -> None:
    """Refuse what can't work on this machine.

    Args:
        device: of torch.

    Raises:
        FaceSRBenchError: no compiler, no GPU.
    """
    on_gpu = device.startswith("cuda")
    if backend == GRAPHS and not on_gpu:
        raise FaceSRBenchError(
            f"--backend {GRAPHS} is for a GPU (--device cuda); on a CPU there is --backend {COMPILED}"
        )
    if backend != COMPILED:
        return
    if on_gpu and find_spec("triton") is None:
        raise FaceSRBenchError(f"--backend {COMPILED} needs triton on a GPU: pip install triton")
    language, variable, names = _COMPILERS["GPU" if on_gpu else "CPU"]
    where = "a GPU, for what triton makes," if on_gpu else "a CPU,"
    if _compiler(device) is None:
        raise FaceSRBenchError(
            f"--backend {COMPILED} needs a {language} compiler on {where} and there is none here: install {names[0]} "
            f"(Debian: apt install {names[0]}), or name one by the environment variable {variable}"
        )
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        raise FaceSRBenchError(
            f"--backend {COMPILED} needs Python's C headers on {where} and they are not here: install them (Debian: "
            "apt install python3-dev)"
        )


def _compiler(device: str) -> str | None:
    """Where the compiler is, which torch or triton takes."""
    _, variable, names = _COMPILERS["GPU" if device.startswith("cuda") else "CPU"]
    named = os.environ.get(variable)
    return next((path for name in ((named,) if named else names) if (path := shutil.which(name))), None)


def runtime(backend: str, device: str) -> str:
    """What computes the method then: `torch 2.14.1, compiled with g++ 12.2.0`."""
    torch = f"torch {package_version('torch')}"
    if backend == GRAPHS:
        return f"{torch}, from CUDA graphs"
    return f"{torch}, compiled with {_tool(device)}"


def _tool(device: str) -> str:
    if device.startswith("cuda"):
        return f"triton {package_version('triton')}"
    compiler = _compiler(device)
    if compiler is None:
        return "no compiler"
    said = subprocess.run([compiler, "--version"], check=False, capture_output=True, text=True).stdout  # noqa: S603 - the user's own
    return said.splitlines()[0] if said else Path(compiler).name


def in_torch(method: MethodBase, backend: str) -> MethodBase:
    """The method as that backend computes it; itself where the backend is none of these.

    Args:
        method: loaded.
    """
    if backend not in IN_TORCH:
        return method
    return InTorch(method, _compiled(method) if backend == COMPILED else lambda lr: _recorded(method, lr))


Upscale = Callable[["Tensor"], "Tensor"]


class InTorch(MethodBase, AttentionMaps):
    """A method whose `upscale` is compiled or recorded when it first gets a picture of some size.

    Batches are cut and filled up to one number of pictures, which depends on their size alone: one picture on a CPU.
    So neither the batch nor its neighbours can change a picture, and there is no further size.

    Args:
        inner: the method, loaded.
        begin: makes the faster `upscale` for pictures of one size, of the first of them.
    """

    def __init__(self, inner: MethodBase, begin: Callable[[Tensor], Upscale]) -> None:
        super().__init__(inner.context)
        self.inner, self.world = inner, inner.world
        self._begin = begin
        self._ready: dict[tuple[int, ...], Upscale] = {}

    def given(self, lr: Image8) -> Image8:
        return self.inner.given(lr)

    def batch(self, images: Sequence[Image8]) -> Tensor:
        return self.inner.batch(images)

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        return self.inner.output_size(height, width)

    def attention_maps(self, lr: Tensor) -> list[Tensor]:
        assert isinstance(self.inner, AttentionMaps)  # the caller has seen to it
        return self.inner.attention_maps(lr)

    def upscale(self, lr: Tensor) -> Tensor:
        import torch

        count = self._together(lr)
        return torch.cat([self._filled(part, count) for part in torch.split(lr.contiguous(), count)])

    def _together(self, lr: Tensor) -> int:
        """How many pictures of this size go through the network at once."""
        if lr.device.type == "cpu":
            return 1
        enlarged = 1 if self.card.input == "bicubic" else self.scale**2
        return max(1, min(ON_GPU, BATCH_PIXELS // (lr[0, 0].numel() * enlarged)))

    def _filled(self, part: Tensor, count: int) -> Tensor:
        import torch

        lacking = count - part.shape[0]
        if lacking:
            part = torch.cat([part, part[-1:].expand(lacking, -1, -1, -1)])
        return self._compute(part)[: count - lacking]

    def _compute(self, part: Tensor) -> Tensor:
        size = tuple(part.shape)
        if size in self._ready:
            return self._ready[size](part)
        if len(self._ready) == SIZES:
            raise MethodError(
                f"pictures of {SIZES} sizes went before, and the network is made anew for each: run this method "
                "without --backend"
            )
        try:
            compute = self._begin(part)
            found = compute(part)
        except PLUGIN_ERRORS as error:
            raise MethodError(
                f"torch can't make {self.card.name} faster for pictures of {size[3]}x{size[2]} px: {describe(error)}"
            ) from error
        self._ready[size] = compute
        return found


def _compiled(method: MethodBase) -> Callable[[Tensor], Upscale]:
    import torch

    torch.compiler.reset()  # of what was compiled for methods before
    plain = inspect.unwrap(type(method).upscale)  # without `torch.inference_mode`, which can't be traced
    # Of sizes left open, pictures would depend on which came first: torch has other kernels for those that it knows.
    compute = torch.compile(lambda lr: plain(method, lr), fullgraph=True, dynamic=False)

    def upscale(lr: Tensor) -> Tensor:
        with torch.no_grad():
            found: Tensor = compute(lr)
            return found

    return lambda lr: upscale


def _recorded(method: MethodBase, lr: Tensor) -> Upscale:
    """`upscale` as a CUDA graph."""
    import torch

    given, stream = lr.clone(), torch.cuda.Stream(lr.device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(lr.device))
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP):
            method.upscale(given)
    torch.cuda.current_stream(lr.device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # The stream that torch would take is one of the first GPU, whichever this is. Other threads may be scoring pictures
    # on the same one.
    with torch.cuda.device(lr.device), torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        made = method.upscale(given)

    def replay(lr: Tensor) -> Tensor:
        given.copy_(lr)
        graph.replay()
        return made.clone()

    return replay
