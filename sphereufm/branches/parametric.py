"""A cost of one's own with one positive parameter, as the continuation along ``tau`` asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Protocol

from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.own_costs.as_problem import as_problem


class Parametric(Protocol):
    """A problem at any value of its parameter, and in the span of its points; a UFMProblem is one."""

    def with_tau(self, tau: float) -> Any:
        """The problem at one value."""

    def in_dimension(self, r: int) -> Any:
        """The same, for columns in ``R^r`` where O(d) is a symmetry."""


@dataclass(frozen=True, eq=False)
class OwnFamily:
    """``make(value)`` is the problem, an expression or a Pymanopt problem at one value of the parameter."""

    make: Callable[[float], Any]
    rank: int | None = None

    def with_tau(self, tau: float) -> SphereProblem:
        """The problem at one value; a difference quotient asks for three, again and again."""
        problem = self._problem(tau)
        return problem if self.rank is None else capabilities.in_span(problem, self.rank)

    def in_dimension(self, r: int) -> OwnFamily:
        """For columns in ``R^r``."""
        return replace(self, rank=r)

    @cached_property
    def _problem(self) -> Callable[[float], SphereProblem]:
        """Problems by value, the last ones kept."""
        return lru_cache(maxsize=16)(lambda tau: as_problem(self.make(tau)))
