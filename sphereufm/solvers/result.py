"""What goes into a run and what comes out of it: settings, stop reasons, progress, history, result."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import check_integer, check_positive, keep_checked
from sphereufm.geometry.spheres import Array
from sphereufm.notebook import counted, html_table


class StopReason(Enum):
    """Why a run ended; the value is a sentence for people.

    Examples
    --------
    >>> StopReason.GRADIENT_TOLERANCE.converged, StopReason.TIME_LIMIT.converged
    (True, False)
    """

    GRADIENT_TOLERANCE = "every column's relative gradient norm is at most the tolerance"
    GAP_TOLERANCE = "the cost is within the gap tolerance of the global minimum (numerical bound)"
    ITERATION_LIMIT = "the iteration limit was reached"
    CALL_LIMIT = "the limit of cost, gradient and Hessian calls was reached"
    TIME_LIMIT = "the time limit was reached"
    NO_PROGRESS = "no further progress is possible in floating point"
    UNDERFLOW = (
        "gradients underflow: nothing is known of some columns; multiply the cost, or bring tau closer to 1"
    )
    NON_FINITE = "the cost or gradient became NaN or infinite; the last finite point is returned"
    INTERRUPTED = "interrupted; this is the last iterate"
    INTERRUPTED_BY_CALLBACK = "the callback asked to stop"

    @property
    def converged(self) -> bool:
        """Whether the run ended because it met a tolerance."""
        return self in (StopReason.GRADIENT_TOLERANCE, StopReason.GAP_TOLERANCE)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """When a run stops; limits that are ``None`` do not apply.

    Raises InvalidInputError if a tolerance or limit is not positive.
    """

    #: Stop when the relative gradient norm of every column is at most this: ``max_j |grad_j| / scale_j``, see
    #: :func:`~sphereufm.problem.interface.relative_gradient_norm`.
    tolerance: float = 1e-9
    max_iterations: int = 10_000
    #: Looked at after every evaluation; measuring the result takes one more.
    max_seconds: float | None = None
    processor_time: bool = False  #: whether seconds are processor time of this process; else wall time
    max_calls: int | None = None  #: cost, gradient and Hessian calls in all; never exceeded
    #: Stop when :func:`~sphereufm.problem.own_costs.as_problem.optimality_gap` is at most this, in the cost's unit;
    #: only of problems that have one.
    gap_tolerance: float | None = None
    #: Whether to look for negative curvature where the gradient meets the tolerance, and to leave along it.
    escape_saddles: bool = True

    def __post_init__(self) -> None:
        keep_checked(
            self,
            tolerance=check_positive("tolerance", self.tolerance, "it is relative; 1e-9 is usual"),
            max_iterations=check_integer("max_iterations", self.max_iterations, 0),
        )
        if self.max_calls is not None:
            calls = check_integer(
                "max_calls", self.max_calls, 2, "the start alone needs a cost and a gradient"
            )
            keep_checked(self, max_calls=calls)
        for name in ("max_seconds", "gap_tolerance"):
            if (value := getattr(self, name)) is not None:
                keep_checked(self, **{name: check_positive(name, value)})


@dataclass(frozen=True)
class Calls:
    """How often a run asked for each thing; the final re-measurement is not counted."""

    cost: int = 0
    gradient: int = 0
    hessian: int = 0

    @property
    def total(self) -> int:
        """Sum of all kinds."""
        return self.cost + self.gradient + self.hessian


@dataclass(frozen=True, kw_only=True, eq=False)
class Progress:
    """One iterate of one run, as a callback sees it.

    ``item``: which start of a batch; 0 for a single run.  ``X``, shape ``(d, M)``: read-only.
    """

    item: int
    iteration: int
    X: Array
    cost: float
    gradient_norm: float
    relative_gradient_norm: float
    seconds: float
    calls: Calls


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """A run iterate by iterate, from the start (iteration 0) to the returned point; arrays of length ``T``."""

    iteration: NDArray[np.intp]
    cost: Array
    gradient_norm: Array
    relative_gradient_norm: Array
    #: :func:`~sphereufm.problem.theory.gap.optimality_gap` (numerical); NaN for problems that have none.
    gap: Array
    #: ``cost_calls``, ``gradient_calls`` and ``hessian_calls``: calls so far.
    cost_calls: NDArray[np.intp]
    gradient_calls: NDArray[np.intp]
    hessian_calls: NDArray[np.intp]
    seconds: Array  #: since the start of the run, without the time spent on recording

    def __repr__(self) -> str:
        return f"<History of {counted(len(self.iteration), 'iterate')}: cost {self.cost[0]:.6g} .. {self.cost[-1]:.6g}>"

    def __post_init__(self) -> None:
        for field in fields(self):
            getattr(self, field.name).flags.writeable = False


@dataclass(frozen=True, kw_only=True, eq=False)
class SolverResult:
    """Where a run ended, re-measured there.

    Examples
    --------
    >>> from sphereufm import UFMProblem, solve
    >>> result = solve(UFMProblem(class_sizes=(2, 2, 2), dim=4, tau=1), rng=0)
    >>> result.converged, round(result.cost, 6), result.X.shape
    (True, 0.368981, (4, 9))
    """

    X: Array  #: shape ``(d, M)``: last point, unit columns, read-only
    cost: float  #: at ``X``; infinite if not even the start had a finite cost
    gradient_norm: float  #: Frobenius norm of the Riemannian gradient at ``X``
    #: Largest of a column at ``X``; infinite where a column's scale has underflown.
    relative_gradient_norm: float
    stop_reason: StopReason
    iterations: int
    calls: Calls
    seconds: float  #: by the wall, or of the processor; for an item of a batch: until that item stopped
    escaped_saddles: int  #: how many times the run left a saddle along negative curvature
    solver: str  #: name of the solver
    unit: str = ""  #: of the cost, where it has one
    history: History | None = None  #: given if it was asked for

    def __post_init__(self) -> None:
        self.X.flags.writeable = False

    def __repr__(self) -> str:
        return (
            f"<SolverResult of {self.solver}: cost {self.cost:.6g}, "
            f"relative gradient norm {self.relative_gradient_norm:.2g}, {self.stop_reason.name}, "
            f"{counted(self.iterations, 'iteration')}>"
        )

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows."""
        calls = ", ".join(f"{count} {name}" for name, count in asdict(self.calls).items())
        rows = (
            ("cost", f"{self.cost:.12g} {self.unit}".rstrip()),
            ("relative gradient norm", f"{self.relative_gradient_norm:.3g}"),
            ("stop reason", f"{self.stop_reason.name}: {self.stop_reason.value}"),
            ("iterations", str(self.iterations)),
            ("calls", calls),
            ("saddles left", str(self.escaped_saddles)),
            ("seconds", f"{self.seconds:.3g}"),
        )
        return html_table(f"Result of {self.solver}", ("", "value"), rows)

    @property
    def converged(self) -> bool:
        """Whether a tolerance was met."""
        return self.stop_reason.converged
