"""What a certificate of a complete list holds, read strictly with the readers of the checker of points."""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sphereufm.certify.checker.kernel import CheckError
from sphereufm.certify.checker.reading import Problem as Program
from sphereufm.certify.checker.reading import (
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

__all__ = ["Program"]

FORMAT = "sphereufm-complete/1"
LARGEST_TREE = 1 << 26
MOST_BITS = 1 << 14
# a search in the plane, perhaps outside of a neighbourhood; one of an own cost, perhaps of four charges
PLANE, OWN_COST, CLOSED_FORM = ("planar", "planar-outside"), ("charts", "coulomb"), "two-classes"


@dataclass(frozen=True, kw_only=True, eq=False)
class Instance:
    """Cross-entropy with exact temperature and weights."""

    classes: int
    dim: int
    labels: list[int]
    tau: Fraction
    weights: list[Fraction]

    @cached_property
    def blocks(self) -> dict[tuple[int, Fraction], list[int]]:
        """Samples that are equal, by label and weight."""
        found: dict[tuple[int, Fraction], list[int]] = {}
        for i, key in enumerate(zip(self.labels, self.weights, strict=True)):
            found.setdefault(key, []).append(i)
        return found

    @cached_property
    def kinds(self) -> list[int]:
        """For each class the first one that carries the same weights."""
        carried: list[set[tuple[Fraction, int]]] = [set() for _ in range(self.classes)]
        for (y, w), block in self.blocks.items():
            carried[y].add((w, len(block)))
        return [carried.index(weights) for weights in carried]


def read_certificate(data: bytes) -> dict[str, Any]:
    """The certificate, its instance yet unread."""
    value = read_json(data)
    refuse_if(not isinstance(value, dict), "the certificate must be an object")
    method = one_of(*PLANE, *OWN_COST, CLOSED_FORM)(value.get("method"), "method")
    producer: dict[str, Reader] = {"name": text(200), "version": text(200)}
    zero: dict[str, Reader] = {"point": listing(real), "radius": real}
    search: dict[str, Reader] = {"zeros": listing(lambda v, w: record(v, w, zero)), "tree": read_tree}
    fields: dict[str, Reader] = {"format": one_of(FORMAT), "instance": anything, "method": anything}
    fields["producer"] = lambda v, w: record(v, w, producer)
    if method != CLOSED_FORM:
        fields["searches"] = listing(lambda v, w: record(v, w, search))
        fields["orbits"] = listing(listing(listing(integer(0, 10_000), 2)))
    if method in PLANE:
        fields["closed"], search["order"] = real, listing(integer(0, 100))
    return dict(record(value, "certificate", fields))


def real(value: Any, where: str) -> float:
    """A finite float, written in hexadecimal."""
    try:
        x = float.fromhex(text(40)(value, where))
    except (ValueError, OverflowError):
        raise CheckError(f"{where} must be a hexadecimal float") from None
    refuse_if(not math.isfinite(x), f"{where} must be finite")
    return x


def read_instance(value: Any) -> Instance:
    """Cross-entropy of docs/certificates.md, section 3, with one temperature."""
    p = read_problem(value)
    plain = p.loss == "cross-entropy" and not p.bias and len(set(p.taus)) == 1
    refuse_if(not plain, "instance must be cross-entropy without a bias, of one tau, or an expression")
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


class Tree(NamedTuple):
    """Level by level the codes of nodes, the places of all cuts, and the zeros that leaves lie near."""

    nodes: NDArray[np.uint8]
    cuts: NDArray[np.uint32]
    inside: NDArray[np.uint16]


def read_tree(value: Any, where: str) -> Tree:
    """A tree: one byte a node, four a cut, two a leaf near a zero, each list packed on its own."""
    return Tree(
        **record(value, where, {"nodes": packed("u1"), "cuts": packed("<u4"), "inside": packed("<u2")})
    )


def packed(kind: str) -> Reader:
    """A list of numbers of one kind."""

    def read(value: Any, where: str) -> NDArray[Any]:
        refuse_if(not isinstance(value, str), f"{where} must be a text")
        try:
            unpacker = zlib.decompressobj()
            raw = unpacker.decompress(base64.b64decode(value, validate=True), LARGEST_TREE)
        except (ValueError, zlib.error):
            raise CheckError(f"{where} is damaged") from None
        whole = unpacker.eof and not unpacker.unused_data and len(raw) % np.dtype(kind).itemsize == 0
        refuse_if(not whole, f"{where} is damaged or too large")
        return np.frombuffer(raw, kind)

    return read
