"""An ONNX network on pictures, described by data: size, colours, normalisation."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from facesr_bench.base.errors import CardError, MetricError, WeightsError
from facesr_bench.base.suggest import unknown
from facesr_bench.base.text import counted
from facesr_bench.base.toml import read_toml
from facesr_bench.plugins.cards import Name, validate

LARGEST_BATCH = 16
OWN = "onnx"
"""The preset for a network that a user brings along."""


_Spec = TypeVar("_Spec", bound="NetworkSpec")


class NetworkSpec(BaseModel):
    """What a network wants to be given: (levels / divide_by - mean) / std, NxCxHxW float32."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    summary: str
    source: tuple[str, ...] = Field(description="where these choices are written down")
    file: str = Field(description="the file's usual name; it is opened by path")
    height: int = Field(gt=0, description="of the network's input, px")
    width: int = Field(gt=0, description="of the network's input, px")
    colour: Literal["rgb", "bgr", "gray"] = Field(description="order of the channels; `gray`: one channel")
    divide_by: float = Field(default=1.0, gt=0, description="of levels 0..255, before the mean is taken off")
    mean: tuple[float, ...]
    std: tuple[float, ...]
    batch_of_one: bool = Field(default=False, description="the network takes a single picture at a time")
    output: str | None = Field(default=None, description="name of the output; not given where the network has only one")

    @model_validator(mode="after")
    def _channels_agree(self) -> NetworkSpec:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.channels:
                raise ValueError(
                    f"{name} needs {counted(self.channels, 'number')} for colour {self.colour}, not {len(values)}"
                )
        if min(self.std) <= 0:
            raise ValueError("std must be greater than 0")
        return self

    @property
    def channels(self) -> int:
        """Of the input: 3, or 1 for gray."""
        return 1 if self.colour == "gray" else 3

    def prepare(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's input.

        Args:
            pictures: NxHxWx3 uint8 RGB, or NxHxW uint8 with colour `gray`, of the network's size.

        Returns:
            NxCxHxW float32.

        Raises:
            MetricError: another shape or dtype.
        """
        tail = (3,) if self.channels == 3 else ()
        expected = (self.height, self.width, *tail)
        if pictures.dtype != np.uint8 or pictures.ndim != len(expected) + 1 or pictures.shape[1:] != expected:
            sizes = "x".join(str(side) for side in expected)
            raise MetricError(f"{self.name} takes uint8 Nx{sizes}, not {pictures.dtype} of shape {pictures.shape}")
        planes = pictures[:, None] if self.channels == 1 else pictures.transpose(0, 3, 1, 2)
        if self.colour == "bgr":
            planes = planes[:, ::-1]
        shape = (1, self.channels, 1, 1)
        mean = np.array(self.mean, np.float32).reshape(shape)
        std = np.array(self.std, np.float32).reshape(shape)
        values = planes.astype(np.float32)
        if self.divide_by != 1:
            values /= np.float32(self.divide_by)
        return np.ascontiguousarray((values - mean) / std, dtype=np.float32)


def open_session(path: Path) -> Any:
    """An ONNX file as an onnxruntime.InferenceSession on the CPU, one thread.

    Raises:
        WeightsError: not an ONNX network that can be run.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Sums split among threads are added in another order on another machine.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class of its own for each cause, all of them Exception
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(f"{path}: not an ONNX network that can be run: {reason}") from error


class Presets(Generic[_Spec]):
    """The networks of one kind that a TOML file beside this one describes, a table each.

    Args:
        model: what a table is.
        what: what errors call one: `embedder`.
        file: the TOML file's name.
    """

    def __init__(self, model: type[_Spec], what: str, file: str) -> None:
        self._model, self._what, self._path = model, what, Path(__file__).with_name(file)

    @cached_property
    def by_name(self) -> dict[str, _Spec]:
        """Every preset by its name; CardError where the file is wrong."""
        tables = read_toml(self._path)
        return {name: validate(self._model, {"name": name, **table}, self._path) for name, table in tables.items()}

    def get(self, name: str) -> _Spec:
        """The network called `name`.

        Raises:
            MetricError: there is none; suggests one.
        """
        if name not in self.by_name:
            raise MetricError(unknown(self._what, name, self.by_name))
        return self.by_name[name]

    def for_file(self, name: str, path: Path) -> _Spec:
        """What the network in `path` wants: the preset called `name`, or for `onnx` what a user's own file says.

        Of a user's file are taken its input's height and width and whether it takes one picture at a time, where it
        fixes them. `FILE.toml` (`net.onnx.toml` beside `net.onnx`) is optional and has the last word. Its fields are
        those of a table here.

        Raises:
            MetricError: no such preset.
            WeightsError: no such file, or not an ONNX network of one picture-shaped input.
            CardError: FILE.toml has wrong fields, or what comes out of all three contradicts itself; says which.
        """
        preset = self.get(name)
        if name != OWN:
            return preset
        if not path.is_file():
            raise WeightsError(f"{path}: no such file; it should be an ONNX network")
        inputs = open_session(path).get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            given = "; ".join(f"{i.name} {i.shape}" for i in inputs)
            raise WeightsError(f"{path}: its input is {given}, expected [N, channels, height, width]")
        count, _, height, width = inputs[0].shape
        found = {key: size for key, size in (("height", height), ("width", width)) if isinstance(size, int)}
        said = path.with_name(f"{path.name}.toml")
        table = read_toml(said) if said.is_file() else {}
        if "name" in table:
            raise CardError(f"{said}: name: not a field here; the network is called {preset.name}")
        file = {"file": path.name, **found, "batch_of_one": isinstance(count, int) and count == 1}
        return validate(self._model, {**preset.model_dump(), **file, **table}, said)


class OnnxNetwork:
    """An ONNX file opened once, run on the CPU by a single thread: the same input gives the same bits every time.

    May be called from several threads at once.

    Raises:
        WeightsError: no such file, not an ONNX network, or its input is not what `spec` says.
    """

    def __init__(self, spec: NetworkSpec, path: Path) -> None:
        self.spec = spec
        self.path = path
        if not path.is_file():
            raise WeightsError(f"{path}: no such file; it should be the network of {spec.name} ({spec.file})")
        self._check_input()

    @cached_property
    def _session(self) -> Any:
        return open_session(self.path)

    def _check_input(self) -> None:
        inputs = self._session.get_inputs()
        expected = (self.spec.channels, self.spec.height, self.spec.width)
        shape = inputs[0].shape
        fixed = [given for given, wanted in zip(shape[1:], expected, strict=False) if isinstance(given, int)]
        wanted = [wanted for given, wanted in zip(shape[1:], expected, strict=False) if isinstance(given, int)]
        if len(inputs) != 1 or len(shape) != 4 or fixed != wanted:
            given_inputs = "; ".join(f"{i.name} {i.shape}" for i in inputs)
            raise WeightsError(
                f"{self.path}: not the network of {self.spec.name}: its input is {given_inputs}, "
                f"expected [N, {', '.join(map(str, expected))}]"
            )
        if isinstance(shape[0], int) and not self.spec.batch_of_one:
            raise WeightsError(f"{self.path}: takes {counted(shape[0], 'picture')} at a time; set batch_of_one = true")
        names = [output.name for output in self._session.get_outputs()]
        if self.spec.output is None and len(names) != 1:
            raise WeightsError(f"{self.path}: has outputs {', '.join(names)}; name one of them as `output`")
        if self.spec.output is not None and self.spec.output not in names:
            raise WeightsError(f"{self.path}: has no output {self.spec.output!r}; there is {', '.join(names)}")

    def run(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's output for each picture: NxK float32, K what one picture gives, flattened.

        Args:
            pictures: as `NetworkSpec.prepare` takes them, N >= 1.

        Raises:
            MetricError: another shape or dtype, or an output with NaN or infinity in it.
        """
        if not len(pictures):
            raise MetricError(f"{self.spec.name}: no pictures given")
        inputs = self.spec.prepare(pictures)
        step = 1 if self.spec.batch_of_one else LARGEST_BATCH
        name = self._session.get_inputs()[0].name
        wanted = None if self.spec.output is None else [self.spec.output]
        rows = [self._session.run(wanted, {name: inputs[i : i + step]})[0] for i in range(0, len(inputs), step)]
        output = np.concatenate([np.asarray(r, np.float32).reshape(len(r), -1) for r in rows])
        if len(output) != len(inputs):
            raise MetricError(f"{self.spec.name} gave {len(output)} rows for {len(inputs)} pictures")
        if not np.isfinite(output).all():
            raise MetricError(f"{self.spec.name} gave NaN or infinity")
        return output
