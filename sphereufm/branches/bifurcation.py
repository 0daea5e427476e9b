r"""Where branches fold and bifurcate, and how to step onto the branches that cross.

Between two points of a branch the number of negative Hessian eigenvalues can change, in the point's own span (where the
branch does not turn back, another branch crosses) or on one copy of the normal Hessian (a branch of one rank more
starts).  The place is found by bisection.  A crossing branch is met at a fixed distance ``delta`` along a kernel vector
``v``: Newton's method on gradient zero with the displacement along ``v`` held fixed and ``log tau`` free.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sphereufm.branches.continuation import BranchPoint, advance, at_tau, frame_at
from sphereufm.branches.parametric import Parametric
from sphereufm.geometry.spheres import Array, normalize, project, retract, tangent_norm
from sphereufm.geometry.symmetry.alignment import align
from sphereufm.landscape.orbits.lower import cost_noise
from sphereufm.problem import capabilities
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.spectra.spectrum import normal_hessian
from sphereufm.tolerances import FAMILY_COST

_HALVINGS = 24
_DELTAS = (0.05, 0.15, 0.4)
_CORRECTIONS = 20
_TOLERANCE = 1e-11
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
    found = []
    turned = first.tangent[1] * second.tangent[1] < 0.0
    in_span = second.index_in_span - first.index_in_span
    if turned:
        state = _bisect(problem, first, step, lambda s: s.tangent[1] * first.tangent[1] > 0.0)
        found.append(Crossing(kind="fold", state=state, kernel=1))
    if abs(in_span) - int(turned) > 0:
        state = _bisect(problem, first, step, lambda s: s.index_in_span == first.index_in_span)
        found.append(Crossing(kind="bifurcation", state=state, kernel=abs(in_span) - int(turned)))
    normal = abs(second.index_normal - first.index_normal)
    if normal:
        state = _bisect(problem, first, step, lambda s: s.index_normal == first.index_normal)
        found.append(Crossing(kind="rank", state=state, kernel=normal))
    return found


def switch(
    problem: Parametric, crossing: Crossing, rng: np.random.Generator
) -> Iterator[tuple[Array, float, Array]]:
    """Yield points ``(X, log_tau, direction)`` of branches that cross, not yet compared with known ones.

    * ``problem``: in ``R^d``.
    * ``crossing``: of kind ``"bifurcation"`` or ``"rank"``.
    * ``rng``: for directions inside a kernel of more than one dimension.
    """
    X, kernel = (
        _rank_kernel(problem, crossing) if crossing.kind == "rank" else _span_kernel(problem, crossing)
    )
    for v in _directions(kernel, rng):
        for delta in _DELTAS:
            found = _displaced(problem.in_dimension(X.shape[0]), X, crossing.state.log_tau, v, delta)
            if found is not None:
                yield *found, v
                break


def same_orbit(problem: Parametric, X: Array, Y: Array, log_tau: float) -> bool:
    """Whether two critical points at one temperature lie in one orbit."""
    if X.shape != Y.shape:
        return False
    inner = problem.in_dimension(X.shape[0]).with_tau(math.exp(log_tau))
    here, there = inner.at(X), inner.at(Y)
    costs = float(here.cost), float(there.cost)
    # a cost of one's own may be zero at a critical point
    if abs(costs[0] - costs[1]) > FAMILY_COST * max(map(abs, costs)) + cost_noise(here):
        return False
    return align(X, Y, inner.symmetry, tolerance=_SAME_POINT) is not None


def _bisect(
    problem: Parametric, first: BranchPoint, step: float, before: Callable[[BranchPoint], bool]
) -> BranchPoint:
    """Last state for which ``before`` still holds."""
    for _ in range(_HALVINGS):
        step *= 0.5
        middle = advance(problem, first, step)
        if middle is not None and before(middle):
            first = middle
    return first


def _span_kernel(problem: Parametric, crossing: Crossing) -> tuple[Array, list[Array]]:
    """Point, and eigenvectors of the horizontal Hessian nearest to its kernel."""
    X = crossing.state.X
    frame = frame_at(problem.in_dimension(X.shape[0]), X, crossing.state.log_tau)
    values, vectors = np.linalg.eigh(frame.A)
    nearest = np.argsort(np.abs(values))[: crossing.kernel]
    return X, [frame.tangent_vector(vectors[:, i]) for i in nearest]


def _rank_kernel(problem: Parametric, crossing: Crossing) -> tuple[Array, list[Array]]:
    """Point with a row of zeros below, and directions that fill that row."""
    X, r = crossing.state.X, crossing.state.X.shape[0]
    here = problem.with_tau(crossing.state.tau)
    S = normal_hessian(capabilities.in_span(here, r), X)
    off = np.linalg.svd(X, full_matrices=True)[2][r:].T
    values, vectors = np.linalg.eigh(off.T @ S @ off)
    nearest = np.argsort(np.abs(values))[: crossing.kernel]
    padded = np.concatenate([X, np.zeros((1, X.shape[1]))])
    return padded, [np.concatenate([np.zeros_like(X), (off @ vectors[:, i])[None]]) for i in nearest]


def _directions(kernel: list[Array], rng: np.random.Generator) -> Iterator[Array]:
    """Unit directions in the kernel: its basis, both ways, and random mixtures of it."""
    for v in kernel:
        yield v / tangent_norm(v)
        yield -v / tangent_norm(v)
    for _ in range(_RANDOM_DIRECTIONS * (len(kernel) - 1)):
        v = np.tensordot(rng.standard_normal(len(kernel)), np.array(kernel), axes=1)
        yield v / tangent_norm(v)


def _displaced(
    problem: Parametric, X: Array, log_tau: float, v: Array, delta: float
) -> tuple[Array, float] | None:
    """A critical point near ``X + delta v``, its displacement along ``v`` held; ``log_tau`` is free."""
    Y, here = retract(X, delta * v), problem.with_tau(math.exp(log_tau))
    for _ in range(_CORRECTIONS):
        if here.symmetry.orthogonal and np.linalg.svd(Y, compute_uv=False)[-1] < 1e-6:
            return None
        frame = frame_at(problem, Y, log_tau)
        held = frame.coordinates(project(Y, v))
        system = np.block([[frame.A, frame.b[:, None]], [held[None, :], np.zeros((1, 1))]])
        change = -np.linalg.lstsq(system, np.append(frame.residual, 0.0), rcond=None)[0]
        length = float(np.abs(change).max())
        change *= min(1.0, 0.5 / max(length, 1e-300))
        Y = normalize(Y + frame.tangent_vector(change[:-1]))
        log_tau += float(change[-1])
        if not np.isfinite(Y).all():
            return None
        point = problem.with_tau(math.exp(log_tau)).at(Y)
        if float(relative_gradient_norm(point)) <= _TOLERANCE:
            exact = at_tau(problem, Y, log_tau)
            return None if exact is None else (exact, log_tau)
    return None
