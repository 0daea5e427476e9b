r"""Where branches fold and bifurcate, and how to step onto the branches that cross.

Between two points of a branch the number of negative Hessian eigenvalues can change, in the point's own span (where the
branch does not turn back, another branch crosses) or on one copy of the normal Hessian (a branch of one rank more
starts).  The place is found by bisection.  A crossing branch is met at a fixed distance ``delta`` along a kernel vector
``v``: Newton's method on gradient zero with the displacement along ``v`` held fixed and ``log tau`` free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sphereufm.branches.continuation import BranchPoint, advance, at_tau, corrected, frame_at
from sphereufm.branches.parametric import Parametric, inner_at
from sphereufm.geometry.spheres import Array, retract, tangent_norm
from sphereufm.geometry.symmetry.alignment import align
from sphereufm.landscape.orbits.lower import cost_noise
from sphereufm.spectra.spectrum import normal_hessian
from sphereufm.tolerances import FAMILY_COST

_HALVINGS = 24
_DELTAS = (0.05, 0.15, 0.4)
_CORRECTIONS = 20
_RANDOM_DIRECTIONS = 4
_SAME_POINT = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class Crossing:
    """A place on a branch where an eigenvalue crosses zero."""

    kind: str  #: ``"fold"``, ``"bifurcation"`` (in the span) or ``"rank"`` (on the normal Hessian)
    state: BranchPoint  #: just before it
    kernel: int  #: eigenvalues that cross


def crossing_between(
    problem: Parametric, first: BranchPoint, second: BranchPoint, step: float
) -> list[Crossing]:
    """Return what happens on one step of a branch; most often nothing.

    ``problem``: in ``R^d``; ``first`` and ``second``: ``second`` is ``advance(problem, first, step)``.
    """
    changes: dict[str, Callable[[BranchPoint], int]] = {
        "fold": lambda s: int(s.tangent[1] * first.tangent[1] < 0.0),
        "bifurcation": lambda s: s.index_in_span,
        "rank": lambda s: s.index_normal,
    }
    kernels = {kind: abs(of(second) - of(first)) for kind, of in changes.items()}
    kernels["bifurcation"] -= kernels["fold"]
    return [
        Crossing(kind=kind, state=_bisect(problem, first, step, changes[kind]), kernel=kernel)
        for kind, kernel in kernels.items()
        if kernel > 0
    ]


def switch(
    problem: Parametric, crossing: Crossing, rng: np.random.Generator
) -> Iterator[tuple[Array, float]]:
    """Yield points ``(X, log_tau)`` of branches that cross, not yet compared with known ones.

    ``crossing``: of kind ``"bifurcation"`` or ``"rank"``; ``rng``: for directions inside a kernel of more than one
    dimension.
    """
    X, kernel = (_rank_kernel if crossing.kind == "rank" else _span_kernel)(problem, crossing)
    for v in _directions(kernel, rng):
        for delta in _DELTAS:
            near = retract(X, delta * v)
            found = corrected(problem, near, crossing.state.log_tau, _CORRECTIONS, held=v)
            exact = None if found is None else at_tau(problem, *found)
            if found is not None and exact is not None:
                yield exact, found[1]
                break


def same_orbit(problem: Parametric, X: Array, Y: Array, log_tau: float) -> bool:
    """Whether two critical points at one temperature lie in one orbit."""
    if X.shape != Y.shape:
        return False
    inner = inner_at(problem, X, log_tau)
    here, there = inner.at(X), inner.at(Y)
    costs = float(here.cost), float(there.cost)
    # a cost of one's own may be zero at a critical point
    if abs(costs[0] - costs[1]) > FAMILY_COST * max(map(abs, costs)) + cost_noise(here):
        return False
    return align(X, Y, inner.symmetry, tolerance=_SAME_POINT) is not None


def _bisect(
    problem: Parametric, first: BranchPoint, step: float, of: Callable[[BranchPoint], int]
) -> BranchPoint:
    """Last state at which a number is what it is at the first one."""
    before = of(first)
    for _ in range(_HALVINGS):
        step *= 0.5
        middle = advance(problem, first, step)
        if middle is not None and of(middle) == before:
            first = middle
    return first


def _span_kernel(problem: Parametric, crossing: Crossing) -> tuple[Array, list[Array]]:
    """Point, and eigenvectors of the horizontal Hessian nearest to its kernel."""
    X = crossing.state.X
    frame = frame_at(problem, X, crossing.state.log_tau)
    return X, [frame.tangent_vector(eta) for eta in _near_kernel(frame.A, crossing.kernel)]


def _rank_kernel(problem: Parametric, crossing: Crossing) -> tuple[Array, list[Array]]:
    """Point with a row of zeros below, and directions that fill that row."""
    X = crossing.state.X
    S = normal_hessian(inner_at(problem, X, crossing.state.log_tau), X)
    off = np.linalg.svd(X, full_matrices=True)[2][X.shape[0] :].T
    rows = [off @ c for c in _near_kernel(off.T @ S @ off, crossing.kernel)]
    return np.vstack([X, np.zeros(X.shape[1])]), [np.vstack([np.zeros_like(X), row]) for row in rows]


def _near_kernel(A: Array, count: int) -> Array:
    """Eigenvectors, as rows, of the eigenvalues nearest to zero."""
    values, vectors = np.linalg.eigh(A)
    return np.asarray(vectors[:, np.argsort(np.abs(values))[:count]].T)


def _directions(kernel: list[Array], rng: np.random.Generator) -> Iterator[Array]:
    """Unit directions in the kernel: its basis, both ways, and random mixtures of it."""
    mixed = rng.standard_normal((_RANDOM_DIRECTIONS * (len(kernel) - 1), len(kernel)))
    for v in [
        *(sign * v for v in kernel for sign in (1.0, -1.0)),
        *np.tensordot(mixed, np.array(kernel), axes=1),
    ]:
        yield v / tangent_norm(v)
