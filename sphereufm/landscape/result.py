"""The landscape of a problem as found: its classes, its verdict, and its file format ``sphereufm-landscape/1``."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sphereufm.errors import InvalidInputError, UnreadableFileError
from sphereufm.files import write_text
from sphereufm.landscape.connections import BasinMerge, Connection, Connections, basin_merges
from sphereufm.landscape.coverage import Coverage
from sphereufm.landscape.points import (
    CriticalFamily,
    CriticalPoint,
    CriticalPointKind,
    LandscapeVerdict,
    Status,
)
from sphereufm.landscape.spectrum import HessianSpectrum
from sphereufm.notebook import html_table, shown
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.theory import TheoremCheck
from sphereufm.problem.ufm import UFMProblem

__all__ = ["FORMAT", "LandscapeReport", "ProofSummary", "RankOneCount", "load_report"]

FORMAT = "sphereufm-landscape/1"


@dataclass(frozen=True, kw_only=True)
class RankOneCount:
    """Classes of sign patterns: how many there are, exactly, and how many of them are listed."""

    classes: int
    listed: int


@dataclass(frozen=True, kw_only=True)
class ProofSummary:
    """How many rows are PROVED, and how firm the verdict's basis is.

    ``basis_status`` is ``"BY_THEOREM"`` or ``"PROVED"`` (a certificate was accepted), ``"NUMERICAL"``, or None.
    """

    rows: int
    proved: int
    basis_status: str | None
    theorem_certificate: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class LandscapeReport:
    """Everything that one run of :func:`~sphereufm.landscape.verify.verify_landscape` found.

    Attributes
    ----------
    problem : SphereProblem
    critical : tuple of CriticalPoint and CriticalFamily
        Sorted by cost.  A lower bound on the set of critical points: a search is no proof of completeness.
    verdict : LandscapeVerdict
    basis : str or None
        ``"theorem"``, ``"completeness"``, ``"counterexample"``, or None with the verdict UNDECIDED.
    theorem : TheoremCheck or None
        Whether Theorem S applies; None for problems it does not speak of.
    coverage : mapping of str to Coverage
        One for each stratum that was searched, by name (``"rank 2"``, ``"S_3 x S_1"``).
    rank_one : RankOneCount or None
    notes : tuple of str
        What a reader should know: limits reached, interruptions, contradictions.
    seed : int or None
    complete : bool
        False where the run was interrupted.
    proofs : ProofSummary or None
        None where no proofs were tried.
    connections : Connections or None
        Who falls to whom; None where no descents were made.
    """

    problem: SphereProblem
    critical: tuple[CriticalPoint | CriticalFamily, ...]
    verdict: LandscapeVerdict
    basis: str | None
    theorem: TheoremCheck | None
    coverage: Mapping[str, Coverage]
    rank_one: RankOneCount | None
    notes: tuple[str, ...]
    seed: int | None
    complete: bool = True
    proofs: ProofSummary | None = None
    connections: Connections | None = None

    def __repr__(self) -> str:
        basis = "" if self.basis is None else f" ({self.basis})"
        partial = "" if self.complete else ", interrupted"
        return (
            f"<LandscapeReport {self.verdict.name}{basis}: {len(self.critical)} classes of critical points{partial}, "
            f"{self.problem!r}>"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON data, format ``sphereufm-landscape/1``."""
        from sphereufm import __version__

        theorem = {"name": "S", "applies": bool(self.theorem is not None and self.theorem.applies)}
        return {
            "format": FORMAT,
            "version": __version__,
            "problem": problem_to_json(self.problem),
            "theorem": theorem,
            "verdict": self.verdict.name,
            "basis": self.basis,
            "critical": [_entry_to_json(entry) for entry in self.critical],
            "coverage": {
                "strata": [{"stratum": name, **_plain(asdict(c))} for name, c in self.coverage.items()],
                "rank_one": None if self.rank_one is None else asdict(self.rank_one),
            },
            "notes": list(self.notes),
            "seed": self.seed,
            "complete": self.complete,
            "proofs": None if self.proofs is None else asdict(self.proofs),
            "connections": None
            if self.connections is None
            else _plain({**asdict(self.connections), "merges": [asdict(merge) for merge in self.merges]}),
        }

    @property
    def minimisers(self) -> tuple[int, ...]:
        """Rows without negative curvature, where descents end; they count from zero."""
        return tuple(row for row, entry in enumerate(self.critical) if not _falls(entry))

    @property
    def merges(self) -> tuple[BasinMerge, ...]:
        """Which basins the connections join, and at what cost: upper bounds of barriers, numerical."""
        if self.connections is None:
            return ()
        return basin_merges(self.connections.edges, [entry.cost for entry in self.critical], self.minimisers)

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows: verdict, what it rests on, and one line for each class."""
        basis = "no theorem and no counterexample" if self.basis is None else self.basis
        if self.basis == "counterexample":
            proved = self.proofs is not None and self.proofs.basis_status == "PROVED"
            basis += ", PROVED" if proved else ", numerical"
        lines = [f"Verdict: {self.verdict.name} ({basis})"]
        if self.basis != "completeness":
            lines.append("The list is a lower bound on the set of critical points.")
        return html_table(
            "\n".join([*lines, *self.notes]),
            ("cost", "rank", "Morse index", "nullity", "least eigenvalue", "kind", "status", "hits"),
            map(_cells, self.critical),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report as JSON: to a temporary name beside ``path``, then renamed.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        write_text(path, json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n")


def load_report(path: str | os.PathLike[str]) -> LandscapeReport:
    """Read a report back; its points can be used as starts.

    Raises
    ------
    UnreadableFileError
        If the file is missing, no JSON, or not of this format.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFileError(f"{path} cannot be read as a landscape report: {error}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise UnreadableFileError(
            f"{path} is not of format {FORMAT}; write one with `sphereufm verify --out`"
        )
    try:
        return _report_from_json(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableFileError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def problem_to_json(problem: SphereProblem) -> dict[str, Any]:
    """Describe a problem, exactly for the cross-entropy problem."""
    if not isinstance(problem, UFMProblem):
        return {"name": type(problem).__name__, "dims": list(problem.spheres.dims)}
    ordered = bool((np.diff(problem.labels) >= 0).all())
    return {
        "classes": problem.classes,
        "class_sizes": list(problem.class_sizes),
        "samples": problem.samples,
        "labels": None if ordered else problem.labels.tolist(),
        "dim": problem.dim,
        "tau": problem.tau,
        "exact_tau": str(problem.exact_tau),
        "weights": None if problem.exact_weights is None else [str(w) for w in problem.exact_weights],
        "loss": problem.loss.name,
    }


def problem_from_json(data: Mapping[str, Any]) -> UFMProblem:
    """Rebuild a cross-entropy problem from :func:`problem_to_json`."""
    if "class_sizes" not in data:
        raise InvalidInputError("the report is of a user's own problem, which its file does not contain")
    labels = data["labels"]
    return UFMProblem(
        class_sizes=data["class_sizes"],
        labels=labels,
        dim=data["dim"],
        tau=data["exact_tau"],
        weights=data["weights"],
        loss=data["loss"],
    )


def _entry_to_json(entry: CriticalPoint | CriticalFamily) -> dict[str, Any]:
    """One row of the report."""
    if isinstance(entry, CriticalFamily):
        own: dict[str, Any] = {
            "family": entry.name,
            "rank": list(entry.rank),
            "morse_index": list(entry.morse_index),
            "nullity": list(entry.nullity),
            "orbit_dimension": list(entry.orbit_dimension),
            "min_eigenvalue": None if entry.min_eigenvalue is None else list(entry.min_eigenvalue),
            "members": [_entry_to_json(m) for m in entry.members],
        }
    else:
        own = {
            "family": None,
            "rank": entry.rank,
            "morse_index": entry.morse_index,
            "nullity": entry.nullity,
            "orbit_dimension": entry.orbit_dimension,
            "min_eigenvalue": entry.min_eigenvalue,
            "claims": list(entry.claims),
            "isotropy_order": _large_to_json(entry.isotropy_order),
            "permutation_copies": _large_to_json(entry.permutation_copies),
            # infinite where a column's scale has underflown: nothing is known of it, and JSON has no such number
            "relative_gradient_norm": entry.relative_gradient_norm
            if math.isfinite(entry.relative_gradient_norm)
            else None,
            "eigenvalues": entry.spectrum.eigenvalues.tolist(),
            "normal_eigenvalues": entry.spectrum.normal_eigenvalues.tolist(),
            "normal_copies": entry.spectrum.normal_copies,
            "point": entry.X.tolist(),
        }
    return {
        "cost": entry.cost,
        "kind": entry.kind.name,
        "status": entry.status.name,
        "hits": entry.hits,
        "certificate": entry.certificate,
        "optimality_gap": entry.optimality_gap,
        "gap_method": entry.gap_method,
        **own,
    }


def _falls(entry: CriticalPoint | CriticalFamily) -> bool:
    """Whether there is negative curvature, at some exhibited member of a family."""
    index = entry.morse_index
    return (
        entry.kind is CriticalPointKind.STRICT_SADDLE
        or (max(index) if isinstance(index, tuple) else index) > 0
    )


def _cells(entry: CriticalPoint | CriticalFamily) -> tuple[str, ...]:
    """One line of a notebook's table."""
    numbers = (entry.cost, entry.rank, entry.morse_index, entry.nullity, entry.min_eigenvalue)
    family = f" ({entry.name})" if isinstance(entry, CriticalFamily) else ""
    return (*map(shown, numbers), entry.kind.name + family, entry.status.name, str(entry.hits))


def _plain(data: Any) -> Any:
    """Data with lists for tuples, as JSON readers return them."""
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    return [_plain(value) for value in data] if isinstance(data, list | tuple) else data


def _large_to_json(number: int | None) -> int | str | None:
    """Write an integer that may exceed what JSON readers keep exactly: then its digits, None beyond 4000 of them."""
    if number is None or number < 2**53:
        return number
    return str(number) if number < 10**4000 else None


def _large_from_json(data: int | str | None) -> int | None:
    """Inverse of :func:`_large_to_json`."""
    return None if data is None else int(data)


def _report_from_json(data: Mapping[str, Any]) -> LandscapeReport:
    """Inverse of :meth:`LandscapeReport.to_json`."""
    from sphereufm.problem.theory import theorem_s

    problem = problem_from_json(data["problem"])
    rank_one = data["coverage"]["rank_one"]
    return LandscapeReport(
        problem=problem,
        critical=tuple(_entry_from_json(entry) for entry in data["critical"]),
        verdict=LandscapeVerdict[data["verdict"]],
        basis=data["basis"],
        theorem=theorem_s(problem),
        coverage={c.pop("stratum"): _coverage_from_json(c) for c in map(dict, data["coverage"]["strata"])},
        rank_one=None if rank_one is None else RankOneCount(**rank_one),
        notes=tuple(data["notes"]),
        seed=data["seed"],
        complete=bool(data["complete"]),
        proofs=None if data.get("proofs") is None else ProofSummary(**data["proofs"]),
        connections=_connections_from_json(data.get("connections"), len(data["critical"])),
    )


def _coverage_from_json(data: Mapping[str, Any]) -> Coverage:
    """Inverse of ``asdict``."""
    return Coverage(**{**data, "discoveries": tuple(data.get("discoveries", ()))})


def _connections_from_json(data: Mapping[str, Any] | None, rows: int) -> Connections | None:
    """Inverse of ``asdict``; both ends of an edge are rows of the report."""
    if data is None:
        return None
    edges = tuple(Connection(**edge) for edge in data["edges"])
    if not all(0 <= end < rows for edge in edges for end in (edge.source, edge.target)):
        raise ValueError("a connection leads to a row that is not there")
    return Connections(**{**{key: data[key] for key in data if key != "merges"}, "edges": edges})


def _entry_from_json(data: Mapping[str, Any]) -> CriticalPoint | CriticalFamily:
    """Inverse of :func:`_entry_to_json`."""
    common: dict[str, Any] = {
        "cost": float(data["cost"]),
        "kind": CriticalPointKind[data["kind"]],
        "status": Status[data["status"]],
        "hits": int(data["hits"]),
        "optimality_gap": data["optimality_gap"],
        "gap_method": data["gap_method"],
        "certificate": data.get("certificate"),
    }
    if data["family"] is not None:
        members = tuple(m for m in map(_entry_from_json, data["members"]) if isinstance(m, CriticalPoint))
        return CriticalFamily(name=data["family"], members=members, **common)
    spectrum = HessianSpectrum(
        eigenvalues=np.array(data["eigenvalues"], dtype=np.float64),
        normal_eigenvalues=np.array(data["normal_eigenvalues"], dtype=np.float64),
        normal_copies=int(data["normal_copies"]),
        orbit_dimension=int(data["orbit_dimension"]),
        morse_index=int(data["morse_index"]),
        nullity=int(data["nullity"]),
    )
    X = np.array(data["point"], dtype=np.float64)
    if X.ndim != 2 or not math.isfinite(float(np.abs(X).max())):
        raise ValueError("a point is no finite matrix")
    return CriticalPoint(
        X=X,
        rank=int(data["rank"]),
        spectrum=spectrum,
        relative_gradient_norm=math.inf
        if data["relative_gradient_norm"] is None
        else float(data["relative_gradient_norm"]),
        claims=tuple(data.get("claims", ())),
        isotropy_order=_large_from_json(data.get("isotropy_order")),
        permutation_copies=_large_from_json(data.get("permutation_copies")),
        **common,
    )
