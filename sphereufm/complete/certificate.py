"""A complete list as a file: the format ``sphereufm-complete/1`` of docs/complete.md, section 5."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

from sphereufm.certify.instances import ExactInstance, ExpressionInstance
from sphereufm.complete.branch_and_prune import Search
from sphereufm.version import __version__

FORMAT = "sphereufm-complete/1"


def two_class_certificate(instance: ExactInstance) -> bytes:
    """Return the certificate of the closed form for two classes."""
    return _written({**_head(instance), "method": "two-classes"})


def planar_certificate(
    instance: ExactInstance,
    closed: float,
    outside: bool,
    searches: Sequence[tuple[Sequence[int], Search]],
    orbits: Sequence[Sequence[tuple[int, int]]],
) -> bytes:
    """Return the certificate of a search in the plane.

    ``closed``: diameter of W up to which a lemma leaves collapsed classifiers only, or nothing is said; ``orbits``:
    zeros that are one critical orbit, by their numbers.
    """
    listed = [{"order": list(order), **_search(search)} for order, search in searches]
    method = "planar-outside" if outside else "planar"
    head = {**_head(instance), "method": method, "closed": closed.hex()}
    return _written({**head, "searches": listed, "orbits": _groups(orbits)})


def program_certificate(
    instance: ExpressionInstance,
    four_charges: bool,
    searches: Sequence[Search],
    orbits: Sequence[Sequence[tuple[int, int]]],
) -> bytes:
    """Return the certificate of searches in all charts, in the checker's order of them."""
    data = {**_head(instance), "method": "coulomb" if four_charges else "charts"}
    return _written({**data, "searches": list(map(_search, searches)), "orbits": _groups(orbits)})


def _head(instance: ExactInstance | ExpressionInstance) -> dict[str, Any]:
    """What every certificate begins with."""
    return {
        "format": FORMAT,
        "producer": {"name": "sphereufm", "version": __version__},
        "instance": instance.to_json(),
    }


def _search(search: Search) -> dict[str, Any]:
    """Zeros and tree of one search; docs/complete.md, section 5."""
    zeros = zip(search.zeros.points, search.zeros.radii, strict=True)
    nodes = {
        "nodes": search.codes.astype("u1"),
        "cuts": search.cuts.astype("<u4"),
        "inside": search.inside.astype("<u2"),
    }
    return {
        "zeros": [{"point": [float(v).hex() for v in x], "radius": float(r).hex()} for x, r in zeros],
        "tree": {
            name: base64.b64encode(zlib.compress(values.tobytes(), 9)).decode()
            for name, values in nodes.items()
        },
    }


def _groups(orbits: Sequence[Sequence[tuple[int, int]]]) -> list[list[list[int]]]:
    """Numbers of search and zero, orbit by orbit."""
    return [[list(pair) for pair in orbit] for orbit in orbits]


def _written(data: dict[str, Any]) -> bytes:
    """The file's bytes."""
    return (json.dumps(data, indent=1) + "\n").encode()
