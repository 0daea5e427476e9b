"""What a certificate of a complete list holds, read strictly."""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = "sphereufm-complete/1"
LARGEST_FILE, LARGEST_TREE = 1 << 24, 1 << 26
MOST_BITS = 1 << 14
RATIONAL = re.compile(r"-?[0-9]{1,60}(/[0-9]{1,60})?")
# instructions of a program, with the number of earlier values that they take; "add" takes two or more
ARITY = {"sub": 2, "mul": 2, "div": 2, "neg": 1, "exp": 1, "log": 1, "sqrt": 1}


class CompleteCheckError(ValueError):
    """The file is no certificate of this format; the message says where and why."""


class NotProvedError(Exception):
    """A step of the proof does not hold, or balls cannot decide it."""


def refuse_if(condition: object, message: str) -> None:
    """Refuse the file."""
    if condition:
        raise CompleteCheckError(message)


@dataclass(frozen=True, kw_only=True)
class Instance:
    """Cross-entropy with exact temperature and weights."""

    classes: int
    dim: int
    labels: list[int]
    tau: Fraction
    weights: list[Fraction]

    def like(self, a: int, b: int) -> bool:
        """Whether two classes carry the same weights."""
        return self.weights_of(a) == self.weights_of(b)

    def weights_of(self, k: int) -> list[Fraction]:
        """Weights of a class, sorted."""
        return sorted(w for w, y in zip(self.weights, self.labels, strict=True) if y == k)


def keys(value: Any, where: str, needed: set[str], optional: Sequence[str] = ()) -> dict[str, Any]:
    """An object with these keys."""
    refuse_if(not isinstance(value, dict), f"{where} must be an object")
    refuse_if(needed - value.keys(), f"{where} lacks {', '.join(sorted(needed - value.keys()))}")
    extra = value.keys() - needed - set(optional)
    refuse_if(extra, f"{where} has the unknown key {sorted(extra)[:1]}")
    return dict(value)


def integer(value: Any, low: int, high: int, where: str) -> int:
    """An integer in a range; true is not 1."""
    refuse_if(
        type(value) is not int or not low <= value <= high, f"{where} must be an integer, {low} .. {high}"
    )
    return int(value)


def rational(value: Any, where: str, signed: bool = False) -> Fraction:
    """An exact rational, positive unless a sign is allowed."""
    refuse_if(not isinstance(value, str) or not RATIONAL.fullmatch(value), f"{where} must be a rational")
    top, _, bottom = value.partition("/")
    refuse_if(bottom != "" and int(bottom) == 0, f"{where} has the denominator zero")
    number = Fraction(int(top), int(bottom or "1"))
    refuse_if(not signed and number <= 0, f"{where} must be positive")
    return number


def number(value: Any, where: str) -> float:
    """A finite float, written in hexadecimal."""
    refuse_if(not isinstance(value, str) or len(value) > 40, f"{where} must be a hexadecimal float")
    try:
        x = float.fromhex(value)
    except (ValueError, OverflowError):
        raise CompleteCheckError(f"{where} must be a hexadecimal float") from None
    refuse_if(not math.isfinite(x), f"{where} must be finite")
    return x


def items(value: Any, where: str, most: int, length: int | None = None) -> list[Any]:
    """A list."""
    refuse_if(
        not isinstance(value, list) or len(value) > most, f"{where} must be a list, at most {most} long"
    )
    refuse_if(length is not None and len(value) != length, f"{where} must have {length} entries")
    return list(value)


def read_instance(value: Any) -> Instance:
    """The instance of docs/certificates.md, section 3."""
    needed = {"kind", "classes", "dim", "tau", "loss", "weights"}
    data = keys(value, "instance", needed, ("class_sizes", "labels"))
    refuse_if(data["kind"] != "ufm" or data["loss"] != "cross-entropy", "instance must be ufm, cross-entropy")
    K = integer(data["classes"], 1, 1000, "classes")
    refuse_if(("class_sizes" in data) == ("labels" in data), "instance needs one of class_sizes and labels")
    if "labels" in data:
        labels = [integer(y, 0, K - 1, "labels") for y in items(data["labels"], "labels", 10_000)]
    else:
        sizes = [
            integer(n, 0, 10_000, "class_sizes") for n in items(data["class_sizes"], "class_sizes", K, K)
        ]
        refuse_if(sum(sizes) > 10_000, "there are more than 10000 samples")
        labels = [y for y, n in enumerate(sizes) for _ in range(n)]
    refuse_if(not labels, "there is no sample")
    weights = [Fraction(1)] * len(labels)
    if data["weights"] is not None:
        weights = [rational(w, "weights") for w in items(data["weights"], "weights", 10_000, len(labels))]
    common = 1
    for bottom in {w.denominator for w in weights}:
        common = math.lcm(common, bottom)
        refuse_if(
            common.bit_length() > MOST_BITS, "weights have no common denominator of a few thousand digits"
        )
    total = sum(weights, Fraction(0))
    dim = integer(data["dim"], 1, 100_000, "dim")
    tau = rational(data["tau"], "tau")
    return Instance(classes=K, dim=dim, labels=labels, tau=tau, weights=[w / total for w in weights])


@dataclass(frozen=True, kw_only=True)
class Program:
    """A cost as a program over unit columns."""

    dim: int
    columns: int
    program: list[tuple[Any, ...]]

    @property
    def invariant(self) -> bool:
        """Whether it reads inner products alone."""
        return all(step[0] != "x" for step in self.program)


def read_program(value: Any) -> Program:
    """An expression of docs/certificates.md, section 6: instruction t may only use earlier ones."""
    data = keys(value, "instance", {"kind", "dim", "columns", "program"})
    refuse_if(data["kind"] != "expression", "instance must be an expression")
    d, M = integer(data["dim"], 2, 100, "dim"), integer(data["columns"], 1, 100, "columns")
    program: list[tuple[Any, ...]] = []
    for t, step in enumerate(items(data["program"], "program", 20_000)):
        name, *rest = items(step, "instruction", 20_000) or [""]
        if name == "const":
            refuse_if(len(rest) != 1, "const takes one number")
            program.append((name, rational(rest[0], "const", signed=True)))
            continue
        limits = (
            {"x": [d - 1, M - 1], "gram": [M - 1] * 2, "pow": [t - 1, 64]}.get(name)
            if isinstance(name, str)
            else None
        )
        if limits is None:
            refuse_if(name != "add" and name not in ARITY, "an instruction is unknown")
            refuse_if(
                len(rest) < 2 if name == "add" else len(rest) != ARITY[name], f"{name} has wrong arguments"
            )
            limits = [t - 1] * len(rest)
        refuse_if(len(rest) != len(limits), f"{name} has wrong arguments")
        numbers = [integer(v, 0, most, name) for v, most in zip(rest, limits, strict=True)]
        refuse_if(name == "pow" and numbers[1] < 2, "a power must be 2 or more")
        program.append((name, *numbers))
    refuse_if(not program, "the program is empty")
    return Program(dim=d, columns=M, program=program)


def read_json(data: bytes) -> dict[str, Any]:
    """JSON without repeated keys and without numbers that are not integers."""
    refuse_if(len(data) > LARGEST_FILE, f"the file is larger than {LARGEST_FILE} bytes")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        refuse_if(len(dict(pairs)) != len(pairs), "a key occurs twice in one object")
        return dict(pairs)

    def refuse(word: str) -> Any:
        raise CompleteCheckError(f"the number {word[:20]} is not an integer; numbers are text")

    def whole(digits: str) -> int:
        refuse_if(len(digits) > 10, "an integer of more than 9 digits")
        return int(digits)

    hooks: dict[str, Any] = {"parse_float": refuse, "parse_constant": refuse, "parse_int": whole}
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=once, **hooks)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CompleteCheckError(f"not JSON: {error}") from None
    needed = {"format", "producer", "instance", "method"}
    value = keys(value, "certificate", needed, ("closed", "searches", "orbits"))
    refuse_if(value["format"] != FORMAT, f"format must be {FORMAT}")
    return value


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Nodes level by level: their codes, the places of all cuts, and the zeros that leaves lie near."""

    codes: NDArray[np.uint8]
    cuts: NDArray[np.uint32]
    inside: NDArray[np.uint16]


def read_tree(value: Any) -> Tree:
    """A tree: one byte a node, four a cut, two a leaf near a zero, each list packed on its own."""
    data = keys(value, "tree", {"nodes", "cuts", "inside"})
    nodes, cuts, inside = (unpacked(data[k], size) for k, size in (("nodes", 1), ("cuts", 4), ("inside", 2)))
    return Tree(
        codes=np.frombuffer(nodes, "u1"), cuts=np.frombuffer(cuts, "<u4"), inside=np.frombuffer(inside, "<u2")
    )


def unpacked(value: Any, size: int) -> bytes:
    """Bytes of a list whose entries have some size."""
    refuse_if(not isinstance(value, str), "tree must hold texts")
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(base64.b64decode(value, validate=True), LARGEST_TREE)
    except (ValueError, zlib.error):
        raise CompleteCheckError("a tree is damaged") from None
    refuse_if(not unpacker.eof or unpacker.unused_data or len(raw) % size, "a tree is damaged or too large")
    return raw
