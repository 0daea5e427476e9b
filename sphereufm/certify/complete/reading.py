"""What a certificate of a complete list holds, read strictly with the readers of the checker of points."""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.certify.checker.kernel import CheckError as CompleteCheckError
from sphereufm.certify.checker.reading import (
    LARGEST_FILE,
    Reader,
    anything,
    integer,
    listing,
    one_of,
    read_json,
    read_problem,
    record,
    refuse_if,
    text,
)
from sphereufm.certify.checker.reading import Problem as Program

__all__ = ["LARGEST_FILE", "CompleteCheckError", "Program", "refuse_if"]

FORMAT = "sphereufm-complete/1"
LARGEST_TREE = 1 << 26
MOST_BITS = 1 << 14
# what each method needs besides the head
METHODS: dict[str, tuple[str, ...]] = {
    "planar": ("closed", "searches", "orbits"),
    "planar-outside": ("closed", "searches", "orbits"),
    "two-classes": (),
    "charts": ("searches", "orbits"),
    "coulomb": ("searches", "orbits"),
}


class NotProvedError(Exception):
    """A step of the proof does not hold, or balls cannot decide it."""


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


def read_certificate(data: bytes) -> dict[str, Any]:
    """The certificate, its instance yet unread."""
    value = read_json(data)
    refuse_if(not isinstance(value, dict), "the certificate must be an object")
    method = one_of(*METHODS)(value.get("method"), "method")
    zero = {"point": listing(real), "radius": real}
    search: dict[str, Reader] = {"zeros": listing(lambda v, w: record(v, w, zero)), "tree": read_tree}
    if "closed" in METHODS[method]:
        search["order"] = listing(integer(0, 100))
    fields: dict[str, Reader] = {
        "closed": real,
        "searches": listing(lambda v, w: record(v, w, search)),
        "orbits": listing(listing(listing(integer(0, 10_000), 2))),
    }
    producer: dict[str, Reader] = {"name": text(200), "version": text(200)}
    head: dict[str, Reader] = {"format": one_of(FORMAT), "producer": lambda v, w: record(v, w, producer)}
    head |= {"instance": anything, "method": anything}
    return dict(record(value, "certificate", head | {name: fields[name] for name in METHODS[method]}))


def real(value: Any, where: str) -> float:
    """A finite float, written in hexadecimal."""
    try:
        x = float.fromhex(text(40)(value, where))
    except (ValueError, OverflowError):
        raise CompleteCheckError(f"{where} must be a hexadecimal float") from None
    refuse_if(not math.isfinite(x), f"{where} must be finite")
    return x


def read_instance(value: Any) -> Instance:
    """Cross-entropy of docs/certificates.md, section 3, with one temperature."""
    p = read_problem(value)
    plain = p.loss == "cross-entropy" and not p.bias and len(set(p.taus)) == 1
    refuse_if(not plain, "instance must be ufm, cross-entropy, with one tau")
    refuse_if(p.classes > 1000 or len(p.labels) > 10_000, "there are more than 1000 classes or 10000 samples")
    common = 1
    for bottom in {w.denominator for w in p.weights}:
        common = math.lcm(common, bottom)
        refuse_if(
            common.bit_length() > MOST_BITS, "weights have no common denominator of a few thousand digits"
        )
    total = sum(p.weights, Fraction(0))
    weights = [w / total for w in p.weights]
    return Instance(classes=p.classes, dim=p.dim, labels=p.labels, tau=p.taus[0], weights=weights)


def read_program(value: Any) -> Program:
    """An expression of docs/certificates.md, section 6."""
    p = read_problem(value)
    refuse_if(not p.program, "instance must be an expression")
    refuse_if(not 2 <= p.dim <= 100 or p.columns > 100, "there are more than 100 rows or columns, or one row")
    large = any(step[0] == "const" and abs(step[1]) > 10**200 for step in p.program)
    refuse_if(large, "a number is larger than 10^200")
    return p


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Nodes level by level: their codes, the places of all cuts, and the zeros that leaves lie near."""

    codes: NDArray[np.uint8]
    cuts: NDArray[np.uint32]
    inside: NDArray[np.uint16]


def read_tree(value: Any, where: str) -> Tree:
    """A tree: one byte a node, four a cut, two a leaf near a zero, each list packed on its own."""
    sizes = {"nodes": 1, "cuts": 4, "inside": 2}
    read: dict[str, Reader] = {name: lambda v, w, n=n: unpacked(v, n) for name, n in sizes.items()}  # type: ignore[misc]
    nodes, cuts, inside = (record(value, where, read)[name] for name in sizes)
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
