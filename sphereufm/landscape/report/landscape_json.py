"""Rows, problems, coverage and connections of a landscape as JSON data, and back.

Integers beyond ``2**53`` are written as texts, numbers that are not finite as null.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from sphereufm.errors import InvalidInputError
from sphereufm.files import json_data
from sphereufm.landscape.points import CriticalFamily, CriticalPoint, CriticalPointKind, Entry, Status
from sphereufm.landscape.report.connections import Connection, Connections
from sphereufm.landscape.search.coverage import Coverage
from sphereufm.problem.expressions.expression_problem import ExpressionProblem
from sphereufm.problem.ufm import UFMProblem
from sphereufm.spectra.spectrum import HessianSpectrum


def problem_from_json(data: Mapping[str, Any]) -> UFMProblem | ExpressionProblem:
    """Rebuild a problem of normalised features, or an expression, from what its ``to_json`` says."""
    if "program" in data:
        return ExpressionProblem.from_json(data)
    if "class_sizes" not in data:
        raise InvalidInputError(
            "the report is of a user's own problem, which its file does not contain; use load_report(path, problem=...)"
        )
    return UFMProblem.from_json(data)


_ABOUT = ("certificate", "sentence", "reason", "optimality_gap", "gap_method")
_COUNTS = ("rank", "morse_index", "nullity", "orbit_dimension", "min_eigenvalue")
_LARGE = ("isotropy_order", "permutation_copies")
_SPECTRA = ("eigenvalues", "normal_eigenvalues")
_SPECTRAL_COUNTS = ("normal_copies", "orbit_dimension", "morse_index", "nullity")


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """One row of the report."""
    data: dict[str, Any] = {
        "cost": entry.cost,
        "kind": entry.kind.name,
        "status": entry.status.name,
        "hits": entry.hits,
        **{name: getattr(entry, name) for name in _ABOUT},
        "family": entry.name if isinstance(entry, CriticalFamily) else None,
        **{name: json_data(getattr(entry, name)) for name in _COUNTS},
    }
    if isinstance(entry, CriticalFamily):
        return {**data, "members": [entry_to_json(member) for member in entry.members]}
    return {
        **data,
        "claims": list(entry.claims),
        **{name: _large_to_json(getattr(entry, name)) for name in _LARGE},
        # infinite where a column's scale has underflown: nothing is known of it, and JSON has no such number
        "relative_gradient_norm": json_data(entry.relative_gradient_norm),
        **{name: getattr(entry.spectrum, name).tolist() for name in _SPECTRA},
        "normal_copies": entry.spectrum.normal_copies,
        "point": entry.X.tolist(),
    }


def entry_from_json(data: Mapping[str, Any]) -> Entry:
    """Inverse of :func:`entry_to_json`."""
    common: dict[str, Any] = {
        "cost": float(data["cost"]),
        "kind": CriticalPointKind[data["kind"]],
        "status": Status[data["status"]],
        "hits": int(data["hits"]),
        **{name: data[name] for name in _ABOUT if name in data},
    }
    if data["family"] is not None:
        members = tuple(m for m in map(entry_from_json, data["members"]) if isinstance(m, CriticalPoint))
        return CriticalFamily(name=data["family"], members=members, **common)
    spectral: dict[str, Any] = {name: np.array(data[name], dtype=np.float64) for name in _SPECTRA}
    spectral |= {name: int(data[name]) for name in _SPECTRAL_COUNTS}
    X = np.array(data["point"], dtype=np.float64)
    if X.ndim != 2 or not math.isfinite(float(np.abs(X).max())):
        raise ValueError("a point is no finite matrix")
    norm = data["relative_gradient_norm"]
    large: dict[str, Any] = {name: int(data[name]) for name in _LARGE if data.get(name) is not None}
    return CriticalPoint(
        X=X,
        rank=int(data["rank"]),
        spectrum=HessianSpectrum(**spectral),
        relative_gradient_norm=math.inf if norm is None else float(norm),
        claims=tuple(data.get("claims", ())),
        **common,
        **large,
    )


def coverage_to_json(coverage: Any) -> dict[str, Any]:
    """Fields of a coverage or of a count at rank one; the format calls orbits classes."""
    fields = json_data(asdict(coverage))
    return {"classes" if key == "orbits" else key: value for key, value in fields.items()}


def coverage_from_json(data: Mapping[str, Any]) -> Coverage:
    """Inverse of :func:`coverage_to_json`."""
    kept = {"orbits" if key == "classes" else key: value for key, value in data.items()}
    return Coverage(**{**kept, "discoveries": tuple(data.get("discoveries", ()))})


def connections_from_json(data: Mapping[str, Any] | None, rows: int) -> Connections | None:
    """Inverse of ``asdict``; both ends of an edge are rows of the report."""
    if data is None:
        return None
    edges = tuple(Connection(**edge) for edge in data["edges"])
    if not all(0 <= end < rows for edge in edges for end in (edge.source, edge.target)):
        raise ValueError("a connection leads to a row that is not there")
    return Connections(**{**{key: data[key] for key in data if key != "merges"}, "edges": edges})


def _large_to_json(number: int | None) -> int | str | None:
    """Write an integer that may exceed what JSON readers keep exactly: then its digits, None beyond 4000 of them."""
    if number is None or number < 2**53:
        return number
    return str(number) if number < 10**4000 else None
