"""A landscape in words and numbers, made once: title, verdict, facts, columns and rows, without any markup.

The command line, the page, notebooks and figures lay it out; none of them words a result again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from sphereufm.landscape.points import CriticalFamily, CriticalPointKind, Entry, LandscapeVerdict, Status
from sphereufm.landscape.report.verdict import COUNTEREXAMPLES, lies_above
from sphereufm.landscape.search.coverage import Coverage
from sphereufm.notebook import counted, shown
from sphereufm.problem import capabilities
from sphereufm.tolerances import COST_ROUNDING

if TYPE_CHECKING:
    from sphereufm.landscape.report.landscape_report import LandscapeReport
    from sphereufm.problem.interface import SphereProblem

Value: TypeAlias = str | float | tuple[float, float] | None

KIND_NAMES = MappingProxyType(
    {
        CriticalPointKind.GLOBAL_MINIMUM: "global minimiser",
        CriticalPointKind.STRICT_SADDLE: "strict saddle",
        CriticalPointKind.SPURIOUS_LOCAL_MINIMUM: "spurious local minimiser",
        CriticalPointKind.LOCAL_MINIMUM: "local minimiser, not decided",
        CriticalPointKind.DEGENERATE: "degenerate",
    }
)
# keys of a row's values, with their headings
COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "cost": "cost",
        "above": "above lowest",
        "rank": "rank",
        "morse_index": "Morse index",
        "nullity": "nullity",
        "min_eigenvalue": "least eigenvalue",
        "kind": "kind",
        "status": "status",
        "hits": "hits",
    }
)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What every face says of a landscape."""

    title: str  #: the problem in one line
    cost_heading: str  #: ``"cost (nats)"``, or plain ``"cost"`` where the problem's cost has no unit
    verdict: str  #: the name of a :class:`~sphereufm.landscape.points.LandscapeVerdict`
    sentence: str  #: what the verdict rests on
    row: int | None  #: from zero, that the sentence is about: the counterexample, or the least of all
    proofs: str  #: how many rows are PROVED
    strata: tuple[tuple[str, str], ...]  #: each stratum that was searched, and what its searches met
    notes: tuple[str, ...]  #: what the list claims, and the report's notes
    rows: tuple[Mapping[str, Value], ...]  #: values by the keys of ``COLUMNS``, in their order

    @property
    def headings(self) -> tuple[str, ...]:
        """Headings of the columns, the row's number first."""
        return ("row", self.cost_heading, *list(COLUMNS.values())[1:])

    def cells(self) -> Iterator[tuple[str, ...]]:
        """Texts of the rows, the row's number first."""
        for number, row in enumerate(self.rows, start=1):
            yield (str(number), *map(shown, row.values()))

    @property
    def facts(self) -> tuple[str, ...]:
        """What was searched, what the list claims, and the report's notes."""
        return (*(f"{name}: {met}" for name, met in self.strata), *self.notes)

    @property
    def verdict_line(self) -> str:
        """Verdict, what it rests on, and how much is proved."""
        return f"{self.verdict}: {self.sentence}. {self.proofs}"


def cost_heading(problem: SphereProblem) -> str:
    """``"cost (nats)"``, or plain ``"cost"`` where the problem's cost has no unit."""
    unit = capabilities.cost_unit(problem)
    return f"cost ({unit})" if unit else "cost"


def summarise(report: LandscapeReport) -> Summary:
    """Put a report into words."""
    row = _counterexample(report)
    known = capabilities.known_minimum(report.problem)
    costs = [entry.cost for entry in report.critical]
    lowest = min(costs if known is None else [*costs, known], default=0.0)
    complete = report.completeness is not None and report.completeness.status == "PROVED"
    return Summary(
        title=capabilities.title(report.problem),
        cost_heading=cost_heading(report.problem),
        verdict=report.verdict.name,
        sentence=_sentence(report, row),
        row=row,
        proofs=_proofs(report),
        strata=tuple((name, _searched(coverage, complete)) for name, coverage in report.coverage.items()),
        notes=tuple(_notes(report, complete)),
        rows=tuple(_row(entry, lowest) for entry in report.critical),
    )


def _row(entry: Entry, lowest: float) -> dict[str, Value]:
    """Values of one row by the keys of ``COLUMNS``; ``lowest``: least cost that is known, found or by theory."""
    above = entry.cost - lowest
    kind = entry.sentence or kind_name(entry)
    return {
        **{key: getattr(entry, key, None) for key in COLUMNS},
        "above": above if above > COST_ROUNDING * abs(entry.cost) else 0.0,
        # the checker's sentence where there is one, else the kind in floating point; with a family's name
        "kind": f"{kind} ({entry.name.replace('-', ' ')})" if isinstance(entry, CriticalFamily) else kind,
        "status": f"{entry.status.name} ({entry.reason})" if entry.reason else entry.status.name,
    }


def kind_name(entry: Entry) -> str:
    """The kind in words; a point without any way to go is a local minimiser in name only."""
    alone = entry.kind is CriticalPointKind.LOCAL_MINIMUM and entry.min_eigenvalue is None
    return "isolated point" if alone else KIND_NAMES[entry.kind]


def _counterexample(report: LandscapeReport) -> int | None:
    """The lowest row that decides against a benign landscape, proved ones first; the first of all points."""
    if _counted_whole(report):
        return 0
    if report.basis != "counterexample":
        return None
    rows = [
        row
        for row, entry in enumerate(report.critical)
        if entry.kind in COUNTEREXAMPLES and lies_above(entry, report.critical)
    ]
    return min(rows, key=lambda row: (report.critical[row].status is not Status.PROVED, row), default=None)


def _sentence(report: LandscapeReport, row: int | None) -> str:
    """What the verdict rests on."""
    status = None if report.proofs is None else report.proofs.basis_status
    if report.basis == "theorem":
        name = report.theorem.name if report.theorem is not None else "S"
        proved = ", PROVED for this instance by an accepted certificate" if status == "BY_THEOREM" else ""
        return f"by Theorem {name} every critical point is a global minimiser or a strict saddle{proved}"
    if report.basis == "completeness":
        return "the list of critical points was proved complete"
    if report.basis == "counterexample":
        how = "PROVED" if status == "PROVED" else "numerically"
        if row is None:
            return f"{LandscapeVerdict.NOT_BENIGN.value}, {how}"
        entry = report.critical[row]
        what = "a degenerate family" if isinstance(entry, CriticalFamily) else "a degenerate point"
        if entry.kind is not CriticalPointKind.DEGENERATE:
            what = "a spurious local minimiser"
        return f"row {row + 1} is {what}, neither a global minimiser nor a strict saddle ({how})"
    if report.verdict is LandscapeVerdict.FINITE:
        isolated = "at d = 1 every point is critical and isolated, and benign or not is no question"
        least = "the list is exact and complete, and row 1 has the least cost of all (numerically)"
        return f"{least}; {isolated}" if row is not None else isolated
    return "no theorem applies and no counterexample is established, and a search is no proof"


def _proofs(report: LandscapeReport) -> str:
    """How many rows are proved."""
    rows = len(report.critical)
    if report.proofs is None:
        return f"{counted(rows, 'row')}; numerical, no proofs were tried."
    count = Counter(entry.status for entry in report.critical)
    proved, undecided = count[Status.PROVED], count[Status.UNDECIDED]
    if not rows:
        return "There is no row to prove."
    if proved == rows:
        return "The one row is PROVED." if rows == 1 else f"All {rows} rows are PROVED one by one."
    rest = f"{rows - proved - undecided} numerical" + (f", {undecided} UNDECIDED" if undecided else "")
    return f"Of {counted(rows, 'row')} {proved} PROVED one by one, {rest}."


def _notes(report: LandscapeReport, complete: bool) -> Iterator[str]:
    """What the list claims, and what a reader should know."""
    completeness = report.completeness
    if report.rank_one is not None:
        orbits, listed = report.rank_one.orbits, report.rank_one.listed
        some = "" if listed == orbits else f", {listed} of them listed"
        yield f"rank 1: {counted(orbits, 'orbit')}, counted exactly{some}"
    if _counted_whole(report):
        yield (
            "The list is exact and complete, by counting: at d = 1 every point is a pattern of signs, every pattern is "
            "critical, and each orbit of them is listed."
        )
    elif not complete:
        yield "The list is a lower bound on the set of critical points: a search is no proof of completeness."
    if completeness is not None:
        where = f"; {completeness.region}" if completeness.region else ""
        yield f"complete list: {completeness.status}: {completeness.statement}{where}"
    yield from _descents(report)
    yield from report.notes


def _counted_whole(report: LandscapeReport) -> bool:
    """Whether all points are sign patterns, and every orbit of these is listed."""
    one = report.rank_one
    return report.verdict is LandscapeVerdict.FINITE and one is not None and one.listed == one.orbits


def _searched(coverage: Coverage, complete: bool) -> str:
    """What the searches of one stratum met."""
    searches = f"{coverage.converged} of {counted(coverage.starts, 'search', 'searches')} converged"
    bound = coverage.unseen_bound
    # what is known to be all leaves no mass unseen
    unseen = (
        "" if bound is None or complete else f", unseen mass below {bound:.1%} at {coverage.confidence:.0%}"
    )
    return f"{searches}, {counted(coverage.orbits, 'orbit or family', 'orbits and families')} met{unseen}"


def _descents(report: LandscapeReport) -> Iterator[str]:
    """What the descents reached."""
    found = report.connections
    if found is None or not found.sources + found.skipped:
        return
    yield (
        f"descents (numerical): {found.descents} from {counted(found.sources, 'row')} with negative curvature, "
        f"{counted(found.skipped, 'such row')} left out; {found.unfinished} did not end at a critical point, "
        f"{found.unlisted} ended at one that is not listed"
    )
    for merge in report.merges[:1]:
        rows = " and ".join(str(row + 1) for row in merge.basins)
        yield (
            f"basins of rows {rows} meet at cost {merge.cost:.6g} (row {merge.row + 1}), "
            "a numerical upper bound of the barrier"
        )
