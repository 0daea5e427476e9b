"""A problem with one positive parameter, as the continuation along ``tau`` asks for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from sphereufm.geometry.spheres import Array
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.own_costs.as_problem import as_problem


class Parametric(Protocol):
    """A problem at any value of its parameter, and in the span of its points; a UFMProblem is one."""

    def with_tau(self, tau: float) -> Any:
        """The problem at one value."""

    def in_dimension(self, r: int) -> Any:
        """The same, for columns in ``R^r`` where O(d) is a symmetry."""


def inner_at(problem: Parametric, X: Array, log_tau: float) -> Any:
    """Return the problem at one value, in the space of the points ``X``, shape (r, M)."""
    return problem.in_dimension(X.shape[0]).with_tau(math.exp(log_tau))


@dataclass(frozen=True, eq=False)
class OwnFamily:
    """A parametric cost of one's own: ``make(value)`` is the problem at one value of the parameter."""

    make: Callable[[float], SphereProblem]
    rank: int | None = None

    @staticmethod
    def of(make: Callable[[float], Any]) -> OwnFamily:
        """From a function that makes an expression or a Pymanopt problem; the last ones are kept.

        A difference quotient asks for three, again and again.
        """
        return OwnFamily(lru_cache(maxsize=16)(lambda tau: as_problem(make(tau))))

    def with_tau(self, tau: float) -> SphereProblem:
        """The problem at one value."""
        problem = self.make(tau)
        return problem if self.rank is None else capabilities.in_span(problem, self.rank)

    def in_dimension(self, r: int) -> OwnFamily:
        """For columns in ``R^r``."""
        return OwnFamily(self.make, r)
