"""A landscape as found: its critical orbits, its verdict, and its file format ``sphereufm-landscape/1``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereufm.errors import InvalidInputError, UnreadableFileError
from sphereufm.files import json_data, write_json
from sphereufm.landscape.points import CriticalPointKind, Entry, LandscapeVerdict, embed
from sphereufm.landscape.report.connections import BasinMerge, Connections, basin_merges
from sphereufm.landscape.report.landscape_json import (
    connections_from_json,
    coverage_from_json,
    coverage_to_json,
    entry_from_json,
    entry_to_json,
    problem_from_json,
)
from sphereufm.landscape.report.summary import summarise
from sphereufm.landscape.search.coverage import Coverage
from sphereufm.notebook import counted, html_table, text_table
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.own_costs.as_problem import as_problem
from sphereufm.problem.theory.theorems import TheoremCheck

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = "sphereufm-landscape/1"
# a cost further from the stored one, in units of it and of the curvatures there, is of another problem
_OTHER_COST = 1e-6


@dataclass(frozen=True, kw_only=True)
class RankOneCount:
    """Orbits of sign patterns: how many there are, exactly, and how many of them are listed."""

    orbits: int
    listed: int


@dataclass(frozen=True, kw_only=True)
class ProofSummary:
    """How many rows are PROVED, and how firm the verdict's basis is.

    ``basis_status`` is ``"BY_THEOREM"`` or ``"PROVED"`` (a certificate was accepted), ``"NUMERICAL"``, or None;
    ``instance_sha256`` is the hash that :command:`sphereufm check` prints for every certificate of this report.
    """

    rows: int
    proved: int
    basis_status: str | None
    theorem_certificate: str | None = None
    instance_sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Completeness:
    """Whether the list of critical points was proved complete."""

    status: str  #: ``"PROVED"``: the independent checker accepted a certificate; else ``"UNDECIDED"``
    statement: str  #: what is proved, or why nothing is
    orbits: int = 0  #: critical orbits outside of the collapsed family that the proof lists
    #: Whether each of these orbits is a row, no row is another, and all other points are strict saddles.
    decides: bool = False
    region: str | None = None  #: where critical points may still be, if anywhere
    #: Boxes of a stopped search, at most some hundred of them: names of the unknowns, and both ends of each box.
    left: dict[str, Any] | None = None
    certificate: str | None = None  #: the certificate's file, relative to the report's folder
    #: The certificate itself, until it is written.
    evidence: bytes | None = field(default=None, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Everything but the evidence, which is a file of its own."""
        return {key: value for key, value in asdict(self).items() if key != "evidence"}


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
        ``"theorem"``, ``"completeness"``, ``"counterexample"``, or None with the verdicts UNDECIDED and FINITE.
    theorem : TheoremCheck or None
        The theorem that applies, or why none does; None for problems it does not speak of.
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
        Where descents from the saddles end; None where no descents were made.
    completeness : Completeness or None
        None where no proof was asked for: then the list is a lower bound.

    Examples
    --------
    >>> from sphereufm import UFMProblem, verify_landscape
    >>> report = verify_landscape(UFMProblem(class_sizes=(1, 1), dim=3, tau=1), starts=5)
    >>> report.critical[0]
    <CriticalPoint GLOBAL_MINIMUM (NUMERICAL): cost 0.126928, rank 1, Morse index 0, nullity 0>
    >>> print(report)
    class sizes 1,1, d = 3, tau = 1
    row  cost (nats)  above lowest  ...
    >>> figure, page = report.plot(), report.to_html()
    """

    problem: SphereProblem
    critical: tuple[Entry, ...]
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
    completeness: Completeness | None = None

    def __repr__(self) -> str:
        basis = f" ({self.basis})" if self.basis else ""
        partial = "" if self.complete else ", interrupted"
        rows = counted(len(self.critical), "critical orbit or family", "critical orbits and families")
        return f"<LandscapeReport {self.verdict.name}{basis}: {rows}{partial}, {self.problem!r}>"

    def __str__(self) -> str:
        """The table, with the verdict, what it rests on and what was searched."""
        summary = summarise(self)
        table = text_table(summary.headings, summary.cells())
        return "\n".join([summary.title, table, summary.verdict_line, *summary.facts])

    def plot(self) -> Figure:
        """Draw cost against Morse index: :func:`~sphereufm.plots.landscape.landscape_figure`."""
        import sphereufm

        return sphereufm.landscape_figure(self)

    def to_html(self) -> str:
        """Return the page that ``sphereufm verify`` writes: :func:`~sphereufm.report.landscape.landscape_html`."""
        import sphereufm

        return sphereufm.landscape_html(self)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON data, format ``sphereufm-landscape/1``."""
        from sphereufm.version import __version__

        theorem: dict[str, Any] = {"name": None, "applies": False}
        if (check := self.theorem) is not None:
            why = check.hypotheses if check.applies else check.reasons
            theorem = {"name": check.name, "applies": check.applies, "reasons": list(why)}
        links = self.connections and {**asdict(self.connections), "merges": list(map(asdict, self.merges))}
        return {
            "format": FORMAT,
            "version": __version__,
            "problem": capabilities.to_json(self.problem),
            "theorem": theorem,
            "verdict": self.verdict.name,
            "basis": self.basis,
            "critical": [entry_to_json(entry) for entry in self.critical],
            "coverage": {
                "strata": [{"stratum": name, **coverage_to_json(c)} for name, c in self.coverage.items()],
                "rank_one": self.rank_one and coverage_to_json(self.rank_one),
            },
            "notes": list(self.notes),
            "seed": self.seed,
            "finished": self.complete,
            "complete": self.completeness and self.completeness.to_json(),
            "proofs": self.proofs and asdict(self.proofs),
            "connections": json_data(links),
        }

    @property
    def minimisers(self) -> tuple[int, ...]:
        """Rows without negative curvature, at any exhibited member, where descents end; they count from zero."""
        return tuple(
            row
            for row, entry in enumerate(self.critical)
            if entry.kind is not CriticalPointKind.STRICT_SADDLE and np.max(entry.morse_index) == 0
        )

    @property
    def merges(self) -> tuple[BasinMerge, ...]:
        """Which basins the connections join, and at what cost: upper bounds of barriers, numerical."""
        if self.connections is None:
            return ()
        return basin_merges(self.connections.edges, [entry.cost for entry in self.critical], self.minimisers)

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows: verdict, what it rests on, and one line for each row."""
        summary = summarise(self)
        caption = "\n".join([summary.title, summary.verdict_line, *summary.facts])
        return html_table(caption, summary.headings, summary.cells())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report as JSON, aside, then rename it; raises OutputError if the file cannot be written."""
        write_json(path, self.to_json(), indent=1)


def load_report(path: str | os.PathLike[str], *, problem: Any = None) -> LandscapeReport:
    """Read a report back; its points can be used as starts.

    Parameters
    ----------
    path : path
    problem : SphereProblem or pymanopt.Problem, optional
        The problem of the report, where its file does not contain it: a cost of one's own that is no expression.

    Raises
    ------
    UnreadableFileError
        If the file is missing, no JSON, not of this format, or of a problem of one's own that was not handed over;
        if the one handed over has other spheres, or other costs at the points of the report.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sphereufm import UFMProblem, verify_landscape
    >>> report = verify_landscape(UFMProblem(class_sizes=(1, 1), dim=3, tau=1), starts=5)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "landscape.json"
    >>> report.save(path)
    >>> again = load_report(path)
    >>> again.verdict.name, len(again.critical) == len(report.critical)
    ('BENIGN', True)
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFileError(f"{path} cannot be read as a landscape report: {error}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise UnreadableFileError(f"{path} is not of format {FORMAT}; write one with sphereufm verify --out")
    try:
        return report_from_json(data, problem)
    except InvalidInputError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableFileError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _refuse_other_costs(problem: SphereProblem, entries: tuple[Entry, ...]) -> None:
    """Raise InvalidInputError unless the problem has the costs of the report, in the unit of its curvatures."""
    for entry in entries:
        point = entry.members[0]
        cost = float(problem.at(embed(point.X, problem.spheres.shape[0])).cost)
        spectrum = point.spectrum
        unit = max(map(abs, (point.cost, *spectrum.eigenvalues, *spectrum.normal_eigenvalues)))
        if not abs(cost - point.cost) <= _OTHER_COST * unit:
            raise InvalidInputError(
                f"problem has cost {cost:.9g} where the report has {point.cost:.9g}; give the one it was of"
            )


def report_from_json(data: Mapping[str, Any], problem: Any = None) -> LandscapeReport:
    """Inverse of :meth:`LandscapeReport.to_json`; ``problem`` where the data do not contain it."""
    critical = tuple(entry_from_json(entry) for entry in data["critical"])
    if problem is None:
        problem = problem_from_json(data["problem"])
    elif list((problem := as_problem(problem)).spheres.dims) != data["problem"].get("dims"):
        raise InvalidInputError(
            f"problem has spheres of dimensions {problem.spheres.dims}, but the report is of "
            f"{data['problem'].get('dims', 'a problem that its file contains')}; "
            "leave problem out, or give the one it was of"
        )
    else:
        _refuse_other_costs(problem, critical)
    one = data["coverage"]["rank_one"]
    return LandscapeReport(
        problem=problem,
        critical=critical,
        verdict=LandscapeVerdict[data["verdict"]],
        basis=data["basis"],
        theorem=capabilities.benign_theorem(problem),
        coverage={c.pop("stratum"): coverage_from_json(c) for c in map(dict, data["coverage"]["strata"])},
        rank_one=RankOneCount(orbits=one["classes"], listed=one["listed"]) if one is not None else None,
        notes=tuple(data["notes"]),
        seed=data["seed"],
        # files before 0.2.0 say under this key whether the run was finished
        complete=bool(data.get("finished", data["complete"])),
        completeness=Completeness(**data["complete"]) if isinstance(data["complete"], dict) else None,
        proofs=ProofSummary(**data["proofs"]) if data.get("proofs") is not None else None,
        connections=connections_from_json(data.get("connections"), len(data["critical"])),
    )
