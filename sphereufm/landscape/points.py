"""What a landscape is made of: critical points, families of them, and their kinds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.notebook import counted
from sphereufm.spectra.spectrum import HessianSpectrum


class CriticalPointKind(Enum):
    """What a critical point is; the value is the meaning."""

    GLOBAL_MINIMUM = "global minimiser: the multiplier matrix is positive semidefinite, or the gap is zero"
    STRICT_SADDLE = "the Riemannian Hessian has a negative eigenvalue"
    SPURIOUS_LOCAL_MINIMUM = "local minimiser, and a lower point is exhibited"
    LOCAL_MINIMUM = "local minimiser; neither shown global nor is a lower point known"
    DEGENERATE = "no negative eigenvalue, but zero eigenvalues beyond the orbit: second order does not decide"


# What each sentence of the checker makes of a row; other sentences say too little of an existing point.
KINDS = {
    "global minimiser": CriticalPointKind.GLOBAL_MINIMUM,
    "spurious local minimiser": CriticalPointKind.SPURIOUS_LOCAL_MINIMUM,
    "local minimiser": CriticalPointKind.LOCAL_MINIMUM,
    "strict saddle": CriticalPointKind.STRICT_SADDLE,
    "member of the collapsed family, a strict saddle": CriticalPointKind.STRICT_SADDLE,
    "degenerate critical point, neither a strict saddle nor a global minimiser": CriticalPointKind.DEGENERATE,
}
# What the checker says of a pattern of signs of which nothing else is claimed.
CRITICAL = "critical point of rank one"


class Status(Enum):
    """How far a statement about a point can be trusted."""

    PROVED = "the independent checker accepted a certificate"
    NUMERICAL = "floating point says so"
    UNDECIDED = "neither a proof nor floating point decides"


class LandscapeVerdict(Enum):
    """Whether every critical point is a global minimiser or a strict saddle."""

    BENIGN = "every critical point is a global minimiser or a strict saddle"
    NOT_BENIGN = "a critical point that is neither a global minimiser nor a strict saddle is exhibited"
    UNDECIDED = "neither follows from what is known; a search is no proof"
    FINITE = "d = 1: the points are isolated, finitely many, and benign or not is no question"


@dataclass(frozen=True, kw_only=True, eq=False)
class CriticalPoint:
    """One orbit of critical points modulo the problem's symmetry."""

    X: Array  #: shape ``(rank, M)``: a representative in its own span; :func:`embed` puts it back into ``R^d``
    cost: float  #: in nats (for the cross-entropy problem)
    relative_gradient_norm: float
    rank: int
    spectrum: HessianSpectrum  #: in ``R^d``
    kind: CriticalPointKind
    status: Status = Status.NUMERICAL
    hits: int = 0  #: searches that ended in this orbit; zero for points listed by counting
    #: Upper bound on the distance of the cost from the global minimum, in floats.
    optimality_gap: float | None = None
    gap_method: str | None = None
    #: Permutations of the problem's group that act on the point as a rotation; None where they were not counted.
    isotropy_order: int | None = None
    #: Orbits of O(d) alone in the orbit of the point under the permutations.
    permutation_copies: int | None = None
    certificate: str | None = None  #: name of the file, relative to the report's folder, that proves ``kind``
    #: Whether a lower point is known, beyond rounding; None where that was not asked.
    has_lower: bool | None = None
    #: What the accepted certificate claims, by the names of its format (``"critical"``, ``"index"``, ...).
    claims: tuple[str, ...] = ()
    sentence: str = ""  #: what the checker said of the accepted certificate; empty where none was accepted
    reason: str = ""  #: why the row is not PROVED; empty where it is, or where no proof was tried

    def __repr__(self) -> str:
        return (
            f"<CriticalPoint {self.kind.name} ({self.status.name}): cost {self.cost:.6g}, rank {self.rank}, "
            f"Morse index {self.morse_index}, nullity {self.nullity}>"
        )

    @property
    def members(self) -> tuple[CriticalPoint, ...]:
        """The point alone: rows of either kind have members."""
        return (self,)

    @property
    def morse_index(self) -> int:
        """Negative Hessian eigenvalues in ``R^d``."""
        return self.spectrum.morse_index

    @property
    def nullity(self) -> int:
        """Zero Hessian eigenvalues beyond the orbit."""
        return self.spectrum.nullity

    @property
    def orbit_dimension(self) -> int:
        """Dimension of the O(d) orbit."""
        return self.spectrum.orbit_dimension

    @property
    def min_eigenvalue(self) -> float | None:
        """Least horizontal eigenvalue, None where there is none."""
        return self.spectrum.min_eigenvalue


@dataclass(frozen=True, kw_only=True, eq=False)
class CriticalFamily:
    """Critical points of one cost that are no isolated orbits, as one entry; that they are connected is not claimed."""

    name: str  #: for example ``"collapsed-classifiers"``
    cost: float  #: equal on the whole family
    members: tuple[CriticalPoint, ...]  #: found or constructed; ranges below are over these only
    kind: CriticalPointKind  #: ``DEGENERATE`` if one exhibited member is; else what all of them are
    status: Status = Status.NUMERICAL
    hits: int = 0
    optimality_gap: float | None = None
    gap_method: str | None = None
    #: Name of the folder, relative to the report's, with the certificates of members.
    certificate: str | None = None
    sentence: str = ""  #: as for a :class:`CriticalPoint`
    reason: str = ""  #: as for a :class:`CriticalPoint`

    def __repr__(self) -> str:
        return (
            f"<CriticalFamily {self.name!r} {self.kind.name} ({self.status.name}): cost {self.cost:.6g}, "
            f"{counted(len(self.members), 'member')} listed>"
        )

    @property
    def has_lower(self) -> bool | None:
        """Whether a lower point than some member is known; None where that was not asked."""
        asked = [m.has_lower for m in self.members if m.has_lower is not None]
        return any(asked) if asked else None

    @property
    def rank(self) -> tuple[int, int]:
        """Least and largest rank of a member."""
        return self._range("rank")

    @property
    def morse_index(self) -> tuple[int, int]:
        """Least and largest Morse index of a member."""
        return self._range("morse_index")

    @property
    def nullity(self) -> tuple[int, int]:
        """Least and largest nullity of a member."""
        return self._range("nullity")

    @property
    def orbit_dimension(self) -> tuple[int, int]:
        """Least and largest orbit dimension of a member."""
        return self._range("orbit_dimension")

    @property
    def min_eigenvalue(self) -> tuple[float, float] | None:
        """Range of the least eigenvalue, None where no member has one."""
        values = [m.min_eigenvalue for m in self.members if m.min_eigenvalue is not None]
        return (min(values), max(values)) if values else None

    def _range(self, name: str) -> tuple[int, int]:
        values = [getattr(member, name) for member in self.members]
        return min(values), max(values)


Entry: TypeAlias = CriticalPoint | CriticalFamily


def embed(X: Array, d: int) -> Array:
    """Put a configuration of ``R^r`` into ``R^d`` by zero rows, shape ``(..., d, M)``.

    Examples
    --------
    >>> embed(np.array([[1.0, -1.0]]), 2)
    array([[ 1., -1.],
           [ 0.,  0.]])
    """
    padding = np.zeros((*X.shape[:-2], d - X.shape[-2], X.shape[-1]))
    return np.concatenate([X, padding], axis=-2)
