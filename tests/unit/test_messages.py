"""Messages between a run and a method's process: what comes out is what went in, and damage is never used."""

from __future__ import annotations

import io
import json
import zlib
from typing import Any

import numpy as np
import pytest

from facesr_bench.evaluation.inputs import Loaded
from facesr_bench.evaluation.isolation import messages
from facesr_bench.evaluation.isolation.answers import maps_of, outputs_of, ready_of
from facesr_bench.evaluation.isolation.messages import FRAME, MAGIC, Message, MessageError
from facesr_bench.evaluation.scorer import Prepared
from facesr_bench.plugins.sample import Sample


def sent(message: Message) -> bytes:
    stream = io.BytesIO()
    messages.write(stream, message)
    return stream.getvalue()


def read(data: bytes) -> Message | None:
    return messages.read(io.BytesIO(data))


def outputs(rng: np.random.Generator) -> Message:
    """An answer as a method's process gives it: a float picture, a finished one, and one that failed."""
    told = [{"ms": 1.5, "error": None, "array": 0}, {"ms": None, "error": None, "array": 1}]
    told.append({"ms": None, "error": "ValueError: ü", "array": None})
    arrays = [rng.random((16, 16, 3), np.float32), rng.integers(0, 256, (16, 16, 3), np.uint8)]
    return Message("outputs", {"outputs": told}, arrays)


def batch(count: int = 3) -> list[Loaded]:
    lr, hr = np.zeros((2, 2, 3), np.uint8), np.zeros((16, 16, 3), np.uint8)
    return [Loaded(str(i), Prepared(Sample(str(i), lr, hr))) for i in range(count)]


def test_a_message_comes_out_as_it_went_in() -> None:
    message = outputs(np.random.default_rng(0))
    found = read(sent(message) + sent(Message("end", {})))
    assert found is not None and (found.kind, found.fields) == (message.kind, message.fields)
    for one, other in zip(found.arrays, message.arrays, strict=True):
        assert one.dtype == other.dtype and np.array_equal(one, other) and one.flags.writeable
    assert read(b"") is None
    first, second, failed = outputs_of(found, batch())
    assert first.sr is not None and first.ms == 1.5 and second.picture is not None and failed.error == "ValueError: ü"


def test_layouts_do_not_matter() -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for each in (array.T, array[:, ::-1], array.astype(">f4")):
        found = read(sent(Message("x", {}, [each])))
        assert found is not None and np.array_equal(found.arrays[0], each) and found.arrays[0].dtype == np.float32
    with pytest.raises(TypeError, match="float64"):
        sent(Message("x", {}, [array.astype(np.float64)]))


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes changed, cut off, left out, doubled, or put in."""
    broken = bytearray(data)
    at = int(rng.integers(len(broken))) if rng.random() < 0.5 else int(rng.integers(min(len(broken), 200)))
    length = int(rng.integers(1, 20))
    how = rng.integers(5)
    if how == 0:
        broken[at] ^= 1 << int(rng.integers(8))
    elif how == 1:
        del broken[at:]
    elif how == 2:
        del broken[at : at + length]
    elif how == 3:
        broken[at:at] = broken[at : at + length]
    else:
        broken[at:at] = rng.bytes(length)
    return bytes(broken)


def check_damage(rounds: int) -> int:
    """Each damaged message is refused, or (damaged behind its end) is the message; how many were refused."""
    rng, refused = np.random.default_rng(1), 0
    whole = outputs(rng)
    data = sent(whole)
    for _ in range(rounds):
        broken = damaged(data, rng)
        if broken == data:
            continue
        try:
            found = read(broken)
        except MessageError:
            refused += 1
            continue
        assert found is None or (found.fields == whole.fields and all(map(np.array_equal, found.arrays, whole.arrays)))
    return refused


def test_damage_is_never_used() -> None:
    assert check_damage(500) > 400


@pytest.mark.full
def test_much_damage_is_never_used() -> None:
    assert check_damage(20_000) > 16_000


def forged(header: Any, body: bytes = b"") -> bytes:
    """A message with a right checksum, whatever is in it: what a hostile method could send."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return FRAME.pack(MAGIC, len(text), len(body), zlib.crc32(body, zlib.crc32(text))) + text + body


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"hello, I am printed by a library\n", "it begins with b'hell'"),
        (FRAME.pack(MAGIC, 2**31, 0, 0), "too long"),
        (FRAME.pack(MAGIC, 2, 2**60, 0) + b"{}", "too long"),
        (FRAME.pack(MAGIC, 2, 0, 0) + b"{}", "checksum"),
        (forged(b"\xff\xfe"), "no JSON"),
        (forged(b"[" * 100_000), "no JSON"),
        (forged([1]), "no object"),
        (forged({"kind": 3, "arrays": []}), "no kind"),
        (forged({"kind": "x"}), "no kind"),
        (forged({"kind": "x", "arrays": ["uint8"]}), "no array is like"),
        (forged({"kind": "x", "arrays": [["object", [1]]]}, b"12345678"), "no array is like"),
        (forged({"kind": "x", "arrays": [["uint8", [-1]]]}), "no array is like"),
        (forged({"kind": "x", "arrays": [["uint8", [True]]]}, b"1"), "no array is like"),
        (forged({"kind": "x", "arrays": [["uint8", [2**30, 2**30]]]}), "larger than what came"),
        (forged({"kind": "x", "arrays": [["uint8", [2]]]}, b"1"), "larger than what came"),
        (forged({"kind": "x", "arrays": [["uint8", [2]]]}, b"123"), "more came"),
    ],
)
def test_what_is_no_message_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(MessageError, match=said):
        read(data)


def answer(told: Any, *arrays: Any) -> Message:
    return Message("outputs", {"outputs": told}, arrays)


GOOD = {"ms": 1.0, "error": None, "array": 0}
PICTURE = np.zeros((16, 16, 3), np.uint8)


@pytest.mark.parametrize(
    "message",
    [
        answer([]),
        answer([GOOD, GOOD], PICTURE),
        answer([{**GOOD, "array": 1}], PICTURE),
        answer([{**GOOD, "array": -1}], PICTURE),
        answer([{**GOOD, "array": None}], PICTURE),
        answer([{**GOOD, "ms": "fast"}], PICTURE),
        answer([{**GOOD, "more": 1}], PICTURE),
        answer("no list", PICTURE),
        answer([GOOD], PICTURE[:8]),
        answer([GOOD], PICTURE[..., :1]),
        answer([GOOD], np.full((16, 16, 3), np.nan, np.float32)),
        answer([GOOD], np.full((16, 16, 3), 2, np.float32)),
        Message("maps", {}, [PICTURE]),
    ],
)
def test_an_answer_that_is_none_is_refused(message: Message) -> None:
    with pytest.raises(MessageError):
        outputs_of(message, batch(1))


def test_other_answers_are_checked_too() -> None:
    good = {"cost": {"image": 64, "flops": None, "peak_memory": None}, "block": None, "offers_maps": True}
    assert ready_of(Message("ready", good)).offers_maps
    for bad in ({**good, "block": "8"}, {**good, "cost": {"flops": "many"}}, {}):
        with pytest.raises(MessageError):
            ready_of(Message("ready", bad))
    assert maps_of(Message("maps", {}, [PICTURE[..., 0]]))[0].shape == (16, 16)
    with pytest.raises(MessageError, match="no attention maps"):
        maps_of(Message("maps", {}, [PICTURE]))
    with pytest.raises(MessageError, match="KeyError"):
        maps_of(Message("failed", {"error": "KeyError: x"}))
