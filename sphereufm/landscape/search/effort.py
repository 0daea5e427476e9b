"""How hard to search, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sphereufm.errors import InvalidInputError, one_of


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an effort asks for."""

    unseen_bound: float  #: bound on the unseen mass at which a stratum is left
    batches: int  #: most batches of starts in a stratum
    #: Whether fixed-point spaces, symmetric starts and neighbours of what is known are searched too.
    beyond_random: bool = False
    #: Whether minimisers alone are sought, by descents in ``R^d``; saddles are left out.
    minimisers: bool = False


class Effort(Enum):
    """How hard to search; ``MINIMISERS`` is another goal: descents from random starts alone."""

    MINIMISERS = Plan(unseen_bound=0.0, batches=25, minimisers=True)
    QUICK = Plan(unseen_bound=0.0, batches=6)
    STANDARD = Plan(unseen_bound=0.05, batches=75, beyond_random=True)
    THOROUGH = Plan(unseen_bound=0.01, batches=250, beyond_random=True)

    def __repr__(self) -> str:
        return f"<Effort.{self.name}>"

    @property
    def plan(self) -> Plan:
        """What it asks for."""
        return self.value

    @classmethod
    def named(cls, effort: Effort | str) -> Effort:
        """Return an effort as it is, or the one of that name.

        Raises InvalidInputError if there is none of that name.
        """
        if isinstance(effort, Effort):
            return effort
        names = [each.name.lower() for each in cls]
        if str(effort).lower() not in names:
            raise InvalidInputError(f"effort={effort!r} must be {one_of(effort, names)}")
        return cls[effort.upper()]


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How hard to search."""

    effort: Effort = Effort.STANDARD  #: when to stop adding batches of starts
    starts: int | None = None  #: exactly so many starts in each stratum; None leaves the number to ``effort``
    most_batches: int | None = None  #: most batches in a stratum; None leaves the number to ``effort``
    tolerance: float = 1e-12  #: relative gradient norm of an accepted point
    late: int = 12  #: iterations of the Newton search after which the last tenth of a batch is given up

    @property
    def batches(self) -> int:
        """Most batches in a stratum."""
        return 1 if self.starts else self.most_batches or self.effort.plan.batches

    @property
    def beyond_random(self) -> bool:
        """Whether more than random starts is asked for."""
        return self.starts is None and self.effort.plan.beyond_random
