"""What a bifurcation diagram is made of, and its file format ``sphereufm-branches/1``."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from sphereufm.branches.continuation import BranchPoint
from sphereufm.files import write_json
from sphereufm.notebook import counted, html_table
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem

FORMAT = "sphereufm-branches/1"


_EVENTS = {
    "fold": "fold",
    "bifurcation": "bifurcation",
    "rank": "bifurcation to one rank more",
    "family": "birth on the collapsed family",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Branch:
    """One critical point as a function of ``tau``, or of the way along the branch where it folds."""

    number: int
    parent: int | None  #: branch at whose bifurcation this one was met; None for a start
    points: tuple[BranchPoint, ...]  #: in order along the branch
    ends: tuple[str, str]  #: why it was not followed beyond its first and its last point

    def __repr__(self) -> str:
        number, parent, rank, tau, cost, index, _ = self.cells()
        return f"<Branch {number} (from {parent}): rank {rank}, tau {tau}, cost {cost}, Morse index {index}>"

    @property
    def rank(self) -> int:
        """Rank of all its points."""
        return self.points[0].X.shape[0]

    def cells(self) -> tuple[str, ...]:
        """Return one row of a table: number, parent, rank, range of tau, costs and indices at its ends, ends."""
        first, last = self.points[0], self.points[-1]
        return (
            str(self.number),
            "-" if self.parent is None else str(self.parent),
            str(self.rank),
            f"{min(p.tau for p in self.points):.5g} .. {max(p.tau for p in self.points):.5g}",
            f"{first.cost:.6g} .. {last.cost:.6g}",
            f"{first.spectrum.morse_index} .. {last.spectrum.morse_index}",
            "; ".join(dict.fromkeys(self.ends)),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class BranchEvent:
    """A fold, or a bifurcation with the branches that leave from it."""

    #: ``"fold"``, ``"bifurcation"`` or ``"rank"``: see :class:`~sphereufm.branches.bifurcation.Crossing`; or
    #: ``"family"``: born on the collapsed classifiers.
    kind: str
    tau: float
    cost: float
    branch: int
    kernel: int  #: eigenvalues that cross zero
    meets: tuple[int, ...] = ()  #: branches found to cross there; empty where none was found

    @property
    def name(self) -> str:
        """What happens, in words."""
        return _EVENTS[self.kind]


@dataclass(frozen=True, kw_only=True, eq=False)
class BranchReport:
    """Branches and events over a range of ``tau``."""

    problem: SphereProblem  #: of a parametric cost of one's own, at ``tau_from``
    tau_from: float
    tau_to: float
    branches: tuple[Branch, ...]
    events: tuple[BranchEvent, ...]
    complete: bool  #: False where a limit was reached or the run was interrupted
    interrupted: bool = False
    parameter: str = "tau"  #: its name, where it is not ``tau``

    def __repr__(self) -> str:
        partial = "" if self.complete else ", incomplete"
        return (
            f"<BranchReport: {self.counts}, {self.parameter} {self.tau_from:g} .. {self.tau_to:g}{partial}>"
        )

    @property
    def counts(self) -> str:
        """How many branches and events there are, in words."""
        return f"{counted(len(self.branches), 'branch', 'branches')}, {counted(len(self.events), 'event')}"

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows: one line for each branch."""
        caption = f"{self.counts}, {self.parameter} from {self.tau_from:g} to {self.tau_to:g}; numerical"
        return html_table(caption, self.headings, (branch.cells() for branch in self.branches))

    @property
    def headings(self) -> tuple[str, ...]:
        """What the cells of a branch's row are."""
        return ("branch", "from", "rank", self.parameter, "cost", "Morse index", "ends")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`to_json` aside and rename it; raises OutputError if the file cannot be written."""
        write_json(path, self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return the diagram as JSON data, format ``sphereufm-branches/1``."""
        sizes = getattr(self.problem, "class_sizes", None)
        d = self.problem.spheres.shape[0]
        about = {"title": capabilities.title(self.problem)} if sizes is None else {"class_sizes": list(sizes)}
        return {
            "format": FORMAT,
            "problem": {**about, "dim": d},
            **({} if self.parameter == "tau" else {"parameter": self.parameter}),
            "tau_from": self.tau_from,
            "tau_to": self.tau_to,
            "complete": self.complete,
            "branches": [
                {
                    "number": branch.number,
                    "parent": branch.parent,
                    "rank": branch.rank,
                    "ends": list(branch.ends),
                    "points": [
                        {
                            "tau": p.tau,
                            "cost": p.cost,
                            "morse_index": p.spectrum.morse_index,
                            "X": p.X.tolist(),
                        }
                        for p in branch.points
                    ],
                }
                for branch in self.branches
            ],
            "events": [{**asdict(event), "meets": list(event.meets)} for event in self.events],
        }
