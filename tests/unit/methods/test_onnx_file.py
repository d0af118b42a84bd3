"""`onnx:FILE`: how a file is called, by its metadata, FILE.toml, or not before that is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from facesr_bench.base.errors import CardError, FaceSRBenchError, MethodError, WeightsError
from facesr_bench.plugins.argument import Argument
from facesr_bench.plugins.method import MethodBase, MethodContext
from facesr_bench.plugins.network_file import PROPERTY
from facesr_bench.plugins.registry import methods
from facesr_bench.plugins.spec import parse_method

RGB01 = 'input = "lr"\nrange = [0, 1]\ncolours = "rgb"\n'


def network(
    path: Path,
    *,
    layout: str = "nchw",
    scale: int = 2,
    side: Any = ("h", "w"),
    dtype: int = TensorProto.FLOAT,
    external: str = "",
    properties: dict[str, str] | None = None,
    gain: tuple[float, float, float] = (1.0, 0.5, 0.25),
    bias: float = 0.0,
) -> Path:
    """Nearest-neighbour enlargement; channel c of its input (as it counts them) times gain[c], plus bias."""
    sides = list(side) if isinstance(side, tuple) else [side, side]
    large = [s * scale if isinstance(s, int) else f"{s}{scale}" for s in sides]
    shape, out = ([1, 3, *sides], [1, 3, *large]) if layout == "nchw" else ([1, *sides, 3], [1, *large, 3])
    factors = [1.0, 1.0, scale, scale] if layout == "nchw" else [1.0, scale, scale, 1.0]
    per_channel = np.array(gain, np.float32).reshape((1, 3, 1, 1) if layout == "nchw" else (1, 1, 1, 3))
    weights = numpy_helper.from_array(per_channel, "gain")
    nodes = [
        helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Resize", ["x", "", "factors"], ["large"], mode="nearest"),
        helper.make_node("Mul", ["large", "gain"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", dtype, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [
            weights,
            numpy_helper.from_array(np.array(factors, np.float32), "factors"),
            numpy_helper.from_array(np.array(bias, np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, properties or {})
    if external:
        onnx.external_data_helper.set_external_data(model.graph.initializer[0], external)
    onnx.save(model, str(path))
    return path


def said(path: Path, text: str) -> Path:
    path.with_name(f"{path.name}.toml").write_text(text, encoding="utf-8")
    return path


def argument(path: Path) -> Argument:
    found = parse_method(f"onnx:{path}", methods()).opened()
    assert found is not None
    return found


def opened(path: Path, scale: int = 2, precision: str = "fp32") -> MethodBase:
    spec = parse_method(f"onnx:{path}", methods())
    context = MethodContext(argument(path).card, scale, None, spec.argument, precision=precision)
    method = spec.plugin.load_class()(context)
    assert isinstance(method, MethodBase)
    method.load()
    return method


def lr(side: int = 6, count: int = 2) -> Tensor:
    return torch.randint(0, 256, (count, 3, side, side), generator=torch.Generator().manual_seed(1)).float() / 255


def nearest(picture: Tensor, scale: int = 2) -> Tensor:
    return picture.repeat_interleave(scale, -1).repeat_interleave(scale, -2)


RGB_GAIN = torch.tensor([1.0, 0.5, 0.25]).reshape(1, 3, 1, 1)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("colours", ["rgb", "bgr"])
@pytest.mark.parametrize("ends", [(0, 1), (-1, 1), (0, 255)])
def test_layout_colours_and_range_are_as_stated(
    layout: str, colours: str, ends: tuple[int, int], tmp_path: Path
) -> None:
    """The first channel that the network counts keeps its value, the others lose part of it, from the end they see."""
    path = said(
        network(tmp_path / "n.onnx", layout=layout),
        f'input = "lr"\nrange = [{ends[0]}, {ends[1]}]\ncolours = "{colours}"\n',
    )
    x = lr()
    gain = RGB_GAIN if colours == "rgb" else RGB_GAIN.flip(1)
    low, high = ends
    seen = (nearest(x) * (high - low) + low) * gain
    expected = ((seen - low) / (high - low)).clamp(0, 1)
    assert torch.allclose(opened(path).upscale(x), expected, atol=1e-6)


def test_what_export_wrote_into_the_file_is_enough_and_a_toml_has_the_last_word(tmp_path: Path) -> None:
    stated = {"input": "lr", "range": [0, 1], "colours": "rgb", "title": "Mine", "licence": "MIT"}
    path = network(tmp_path / "n.onnx", properties={PROPERTY: json.dumps(stated)})
    card = argument(path).card
    assert (card.title, card.licence, card.input) == ("Mine", "MIT", "lr")
    assert torch.allclose(opened(path).upscale(lr()), nearest(lr()) * RGB_GAIN, atol=1e-6)
    said(path, 'colours = "bgr"\n')
    assert torch.allclose(opened(path).upscale(lr()), nearest(lr()) * RGB_GAIN.flip(1), atol=1e-6)


def test_what_nothing_says_is_asked_for_with_lines_to_copy(tmp_path: Path) -> None:
    with pytest.raises(CardError) as caught:
        argument(network(tmp_path / "n.onnx"))
    words = str(caught.value)
    assert "n.onnx.toml" in words
    assert all(f"  {name} = " in words for name in ("input", "range", "colours"))
    assert "layout" not in words  # its shape has the 3
    lines = [line.strip() for line in words.splitlines() if line.startswith("  ")]
    said(tmp_path / "n.onnx", "\n".join(lines))
    assert opened(tmp_path / "n.onnx").upscale(lr()).shape == (2, 3, 12, 12)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("range = [1, 0]", "black, then white"),
        ('colors = "rgb"', "did you mean 'colours'"),
        ('layout = "nhwc"', "layout 'nhwc', but the input image is"),
        ('before = "bicubic"\nthen = "bicubic"', "not both"),
        ("constants = { w = 0.5 }", "it has no input 'w'"),
        ('output = "z"', "no output 'z'"),
    ],
)
def test_a_wrong_statement_says_what_and_where(text: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(CardError, match=what) as caught:
        argument(said(network(tmp_path / "n.onnx"), (RGB01 if "range" not in text else "") + text))
    assert "n.onnx.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "name", "what"),
    [
        (None, "n.onnx", "no such file"),
        (b"not a network", "n.onnx", "not an ONNX network"),
        (b"", "n.onnx", "not an ONNX network"),
        (b"x", "n.ort", "must end in .onnx"),
    ],
)
def test_what_is_no_onnx_file_says_so(content: bytes | None, name: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=what):
        argument(path)


# -- identity ----------------------------------------------------------------------------------------------------------


def test_the_hash_covers_the_file_its_external_data_and_what_decides_of_the_toml(tmp_path: Path) -> None:
    path = said(network(tmp_path / "n.onnx", external="weights.bin"), RGB01)
    first = argument(path).sha256
    assert torch.allclose(opened(path).upscale(lr()), nearest(lr()) * RGB_GAIN, atol=1e-6)
    data = tmp_path / "weights.bin"
    content = bytearray(data.read_bytes())
    content[0] ^= 1
    data.write_bytes(bytes(content))
    second = argument(path).sha256
    said(path, RGB01.replace("rgb", "bgr"))
    third = argument(path).sha256
    assert len({first, second, third}) == 3
    said(path, RGB01.replace("rgb", "bgr") + 'title = "another"\nlicence = "MIT"\nmilliseconds = 3\n')
    assert argument(path).sha256 == third


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/hostname"])
def test_external_data_outside_of_its_folder_is_refused(location: str, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    path = said(network(inner / "n.onnx", external="weights.bin"), RGB01)
    model = onnx.load(str(path), load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())
    with pytest.raises(FaceSRBenchError):
        _ = argument(path).sha256


# -- sizes, scales, kinds ---------------------------------------------------------------------------------------------


def test_a_file_of_one_size_says_which(tmp_path: Path) -> None:
    method = opened(said(network(tmp_path / "n.onnx", side=6), RGB01))
    assert method.output_size(6, 6) == (12, 12)
    with pytest.raises(MethodError, match="takes 6x6 px alone, and not 8x8"):
        method.output_size(8, 8)


def test_another_scale_than_the_protocols_asks_what_makes_up_for_it(tmp_path: Path) -> None:
    path = said(network(tmp_path / "n.onnx", side=6), RGB01)
    with pytest.raises(MethodError, match="upscales x2, and here x4 is expected"):
        opened(path, 4)
    said(path, RGB01 + 'before = "bicubic"')
    first = opened(path, 4)
    assert first.output_size(3, 3) == (12, 12)
    assert first.upscale(lr(3)).shape == (2, 3, 12, 12)
    said(path, RGB01 + 'then = "bicubic"')
    assert opened(path, 4).upscale(lr(6)).shape == (2, 3, 24, 24)
    said(network(tmp_path / "n.onnx"), RGB01 + 'then = "bicubic"')
    with pytest.raises(MethodError, match="need the network's own"):
        opened(path, 4)
    said(path, RGB01 + 'then = "bicubic"\nscale = 2')
    assert opened(path, 4).upscale(lr(6)).shape == (2, 3, 24, 24)


def test_a_network_that_is_given_lr_at_the_output_s_size_has_no_scale_to_make_up_for(tmp_path: Path) -> None:
    path = said(network(tmp_path / "n.onnx", scale=1), RGB01.replace('"lr"', '"bicubic"'))
    method = opened(path, 8)
    small = (lr(4, 1)[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    assert method.given(small).shape == (32, 32, 3)
    assert method.enhance(small).shape == (32, 32, 3)


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT16, TensorProto.UINT8, TensorProto.DOUBLE])
def test_inputs_of_other_number_types_are_fed_in_them(dtype: int, tmp_path: Path) -> None:
    path = network(tmp_path / "n.onnx", dtype=dtype, gain=(1.0, 1.0, 1.0))
    x = lr()
    made = opened(said(path, RGB01.replace("[0, 1]", "[0, 255]"))).upscale(x)
    assert torch.allclose(made, nearest(x), atol=1e-6)


def test_a_second_input_gets_the_constant_that_is_stated(tmp_path: Path) -> None:
    """The ONNX ports of CodeFormer take its weight w so."""
    path = network(tmp_path / "n.onnx", gain=(1.0, 1.0, 1.0))
    model = onnx.load(str(path))
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "bias")
    model.graph.initializer.remove(bias)
    model.graph.input.append(helper.make_tensor_value_info("bias", TensorProto.FLOAT, []))
    onnx.save(model, str(path))
    with pytest.raises(WeightsError, match=r"a value for each other one .*constants = "):
        argument(said(path, RGB01))
    said(path, RGB01 + "constants = { bias = 0.25 }")
    assert torch.allclose(opened(path).upscale(lr()), (nearest(lr()) + 0.25).clamp(0, 1), atol=1e-6)


def test_a_batch_that_is_fixed_at_another_number_is_refused(tmp_path: Path) -> None:
    path = network(tmp_path / "n.onnx")
    model = onnx.load(str(path))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    path.write_bytes(model.SerializeToString())
    with pytest.raises(WeightsError, match="takes 4 pictures at a time"):
        argument(said(path, RGB01))


def test_pictures_get_the_same_bits_in_any_batch_and_the_input_stays_as_it_was(tmp_path: Path) -> None:
    method = opened(said(network(tmp_path / "n.onnx"), RGB01))
    x = lr(6, 3)
    kept = x.clone()
    together = method.upscale(x)
    assert torch.equal(x, kept)
    assert torch.equal(torch.cat([method.upscale(x[i : i + 1]) for i in range(len(x))]), together)


def test_openvino_runs_the_same_file_in_full_precision_unless_asked_otherwise(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    path = said(network(tmp_path / "n.onnx"), RGB01)
    by_onnxruntime, first = opened(path).upscale(lr()), argument(path).sha256
    said(path, RGB01 + 'runtime = "openvino"')
    assert torch.allclose(opened(path).upscale(lr()), by_onnxruntime, atol=1e-6)
    assert argument(path).sha256 != first
    assert "openvino" in argument(path).card.summary
    assert float((opened(path, precision="bf16").upscale(lr()) - by_onnxruntime).abs().max()) < 0.02


def test_onnxruntime_computes_in_the_files_own_precision(tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="leave --precision out"):
        opened(said(network(tmp_path / "n.onnx"), RGB01), precision="bf16")


def test_its_row_says_what_the_file_says(tmp_path: Path) -> None:
    import facesr_bench

    path = said(network(tmp_path / "n.onnx", scale=8), RGB01 + 'title = "Nearest"\naligned = "ffhq"\n')
    asked: dict[str, Any] = {"methods": [f"mine=onnx:{path}", "nearest"], "metrics": ["psnr"], "limit": 2}
    with pytest.warns(facesr_bench.FaceSRBenchWarning, match="aligned as in FFHQ"):
        refused = facesr_bench.run(**asked, out=tmp_path / "a")
    assert "aligned as in FFHQ" in str(refused.problems)
    said(path, RGB01 + 'title = "Nearest"\n')
    network(path, scale=8, gain=(1.0, 1.0, 1.0))
    frame = facesr_bench.run(**asked, out=tmp_path / "b").frame
    values: NDArray[np.float64] = frame["psnr"].to_numpy()
    assert list(frame["method"]) == ["onnx", "nearest"]
    assert values[0] == values[1]
