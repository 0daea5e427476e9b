"""Why a run ended."""

from __future__ import annotations

from enum import Enum


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
        "gradients underflow: nothing is known of some columns; multiply the cost, or use a smaller tau"
    )
    NON_FINITE = "the cost or gradient became NaN or infinite; the last finite point is returned"
    INTERRUPTED = "interrupted; this is the last iterate"
    INTERRUPTED_BY_CALLBACK = "the callback asked to stop"

    @property
    def converged(self) -> bool:
        """Whether the run ended because it met a tolerance."""
        return self in (StopReason.GRADIENT_TOLERANCE, StopReason.GAP_TOLERANCE)
