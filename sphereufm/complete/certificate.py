"""A complete list as a file: the format ``sphereufm-complete/1`` of docs/complete.md, section 5."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

from sphereufm.certify.instances import ExactInstance, ExpressionInstance
from sphereufm.certify.json_format import instance_to_json
from sphereufm.complete.branch_and_prune import DEAD, SPLIT, UNIQUE, Search, Tree
from sphereufm.version import __version__

FORMAT = "sphereufm-complete/1"
_CUT = 128


def two_class_certificate(instance: ExactInstance) -> bytes:
    """Return the certificate of the closed form for two classes."""
    return _written({**_head(instance), "method": "two-classes"})


def planar_certificate(
    instance: ExactInstance,
    closed: float,
    searches: Sequence[tuple[Sequence[int], Search]],
    orbits: Sequence[Sequence[tuple[int, int]]],
) -> bytes:
    """Return the certificate of a search in the plane.

    ``closed``: diameter of W up to which a lemma leaves collapsed classifiers only; ``orbits``: zeros that
    are one critical orbit, by their numbers.
    """
    listed = [{"order": list(order), **_search(search)} for order, search in searches]
    head = {**_head(instance), "method": "planar", "closed": closed.hex()}
    return _written({**head, "searches": listed, "orbits": _groups(orbits)})


def charts_certificate(
    instance: ExpressionInstance,
    searches: Sequence[Search],
    orbits: Sequence[Sequence[tuple[int, int]]],
) -> bytes:
    """Return the certificate of a search in all charts, in the order of :func:`~sphereufm.complete.programs.charts`."""
    data = {**_head(instance), "method": "charts"}
    return _written({**data, "searches": list(map(_search, searches)), "orbits": _groups(orbits)})


def tree_bytes(tree: Tree) -> bytes:
    """Return a tree as bytes, a node before its children.

    A leaf without a zero is ``0``; one inside the box of a zero is ``1`` and the zero's number in two bytes; a cut is
    ``128 + 16 passes + axis`` and its place in four bytes, the lowest byte first.
    """
    out = bytearray()
    waiting = [0]
    kind, axis, passes = tree.kind.tolist(), tree.axis.tolist(), tree.passes.tolist()
    cut, first, zero = tree.cut.tolist(), tree.first.tolist(), tree.zero.tolist()
    while waiting:
        node = waiting.pop()
        if kind[node] == SPLIT:
            out.append(_CUT + 16 * passes[node] + axis[node])
            out += cut[node].to_bytes(4, "little")
            waiting += [first[node] + 1, first[node]]
        elif kind[node] == UNIQUE:
            out.append(UNIQUE)
            out += zero[node].to_bytes(2, "little")
        else:
            out.append(DEAD)
    return bytes(out)


def _head(instance: ExactInstance | ExpressionInstance) -> dict[str, Any]:
    """What every certificate begins with."""
    return {
        "format": FORMAT,
        "producer": {"name": "sphereufm", "version": __version__},
        "instance": instance_to_json(instance),
    }


def _search(search: Search) -> dict[str, Any]:
    """Zeros and tree of one search."""
    zeros = zip(search.zeros.points, search.zeros.radii, strict=True)
    return {
        "zeros": [{"point": [float(v).hex() for v in x], "radius": float(r).hex()} for x, r in zeros],
        "tree": base64.b64encode(zlib.compress(tree_bytes(search.tree), 9)).decode(),
    }


def _groups(orbits: Sequence[Sequence[tuple[int, int]]]) -> list[list[list[int]]]:
    """Numbers of search and zero, orbit by orbit."""
    return [[list(pair) for pair in orbit] for orbit in orbits]


def _written(data: dict[str, Any]) -> bytes:
    """The file's bytes."""
    return (json.dumps(data, indent=1) + "\n").encode()
