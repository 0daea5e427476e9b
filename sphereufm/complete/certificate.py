"""A complete list as a file: the format ``sphereufm-complete/1`` of docs/complete.md, section 5."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

from sphereufm.certify.complete.planar import Planar
from sphereufm.certify.complete.reading import FORMAT
from sphereufm.certify.instances import ExactInstance, ExpressionInstance
from sphereufm.complete.branch_and_prune import Search
from sphereufm.version import __version__


def written(instance: ExactInstance | ExpressionInstance, method: str, **more: Any) -> bytes:
    """Return a certificate."""
    producer = {"name": "sphereufm", "version": __version__}
    data = {"format": FORMAT, "producer": producer, "instance": instance.to_json(), "method": method, **more}
    return (json.dumps(data, indent=1) + "\n").encode()


def search_lists(searches: Sequence[Search]) -> list[dict[str, Any]]:
    """Return zeros and tree of each search; in the plane also its order of the classes."""
    listed = []
    for search in searches:
        zeros = zip(search.zeros.points, search.zeros.radii, strict=True)
        codes, cuts, inside = search.codes, search.cuts.astype("<u4"), search.inside.astype("<u2")
        tree = {"nodes": codes, "cuts": cuts, "inside": inside}
        entry = {
            "zeros": [{"point": [float(v).hex() for v in x], "radius": float(r).hex()} for x, r in zeros],
            "tree": {k: base64.b64encode(zlib.compress(v.tobytes(), 9)).decode() for k, v in tree.items()},
        }
        equations = search.zeros.equations
        listed.append({"order": equations.order, **entry} if isinstance(equations, Planar) else entry)
    return listed
