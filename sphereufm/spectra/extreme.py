r"""A few extreme eigenvalues of the Hessian on the horizontal space, without a matrix.

Where the Hessian fits the memory it is taken apart as a whole.  Else

* the cross-entropy problem is first reduced exactly: to the point's own span, to copies of the multiplier matrix
  normal to it, and to one sample for each group of equal samples (:mod:`~sphereufm.problem.equal_samples`).  The
  parts are small matrices, or go on to
* the locally optimal block method (:mod:`~sphereufm.spectra.block_method`), preconditioned, with orbit directions
  projected out of every block exactly (:mod:`~sphereufm.spectra.horizontal`).

For every value ``theta`` with unit vector ``u`` the *residual* ``|Hess u - theta u|`` is measured with the whole
problem's own Hessian: whatever way ``u`` was found, an eigenvalue (of the floating-point Hessian on the horizontal
space) lies within that distance of ``theta``.  Where residuals after the reduction miss the tolerance (samples that
are equal only roughly) the block method goes on in the whole space.  That nothing lower was missed is exact, up to
rounding, for parts that are matrices; for the block method it is what convergence of a random block suggests, and
not proved.

References
----------
B. Parlett, *The Symmetric Eigenvalue Problem*, 1998, section 4.5 (the residual bound).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeAlias

import numpy as np

from sphereufm.errors import InvalidInputError, check_integer, check_positive
from sphereufm.geometry.spheres import Array, as_generator
from sphereufm.notebook import counted
from sphereufm.problem import capabilities
from sphereufm.problem.equal_samples import EqualSamples
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.own_costs.as_problem import as_problem
from sphereufm.spectra.block_method import RitzPairs, block_norms
from sphereufm.spectra.horizontal import ExtremeSearch, HorizontalSpace, approximate_inverse

# An eigenvalue, how often it occurs, and a unit eigenvector of the whole problem for each copy.
_Candidate: TypeAlias = tuple[float, int, Callable[[int], Array]]


@dataclass(frozen=True, kw_only=True, eq=False)
class HessianExtreme:
    """Extreme eigenvalues on the horizontal space."""

    eigenvalues: Array  #: shape ``(count,)``: ascending for the lowest, descending for the largest
    #: Shape ``(count,)``: ``|Hess u - theta u|``: an eigenvalue lies within that distance of each.
    residuals: Array
    vectors: Array  #: shape ``(count, d, M)``: orthonormal (Frobenius) horizontal tangent vectors
    converged: bool  #: whether every residual met the tolerance
    products: int  #: Hessian-vector products

    def __repr__(self) -> str:
        values = ", ".join(f"{value:.6g}" for value in self.eigenvalues)
        state = "converged" if self.converged else "not converged"
        return f"<HessianExtreme: {values} ({state}, {counted(self.products, 'product')})>"


def hessian_extreme(
    problem: SphereProblem,
    X: Array,
    count: int = 1,
    *,
    largest: bool = False,
    tolerance: float = 1e-6,
    max_iterations: int = 1000,
    rng: int | np.random.Generator = 0,
) -> HessianExtreme:
    """Lowest (or largest) eigenvalues of the Riemannian Hessian, orbit directions removed.

    Parameters
    ----------
    problem : SphereProblem
    X : ndarray, shape (d, M)
        A critical point.
    count : int
        Number of eigenvalues, multiple ones with their copies.
    largest : bool
    tolerance : float
        Residuals at most ``tolerance`` times the largest Ritz value met: ``|Hess u - theta u| <= tolerance |Hess|``.
    max_iterations : int
    rng : int or Generator
        For the first block.

    Returns
    -------
    HessianExtreme

    Raises
    ------
    InvalidInputError
        If ``X`` is not one point, or the horizontal space has fewer than ``count`` dimensions.

    Examples
    --------
    >>> from sphereufm.problem.theory.theorems import collapsed_point
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> problem = UFMProblem(class_sizes=(1, 1), dim=3, tau=1.0)
    >>> extreme = hessian_extreme(problem, collapsed_point(problem), 2)
    >>> extreme.eigenvalues.round(6).tolist(), extreme.converged
    ([0.119203, 0.119203], True)
    """
    problem = as_problem(problem)
    X = problem.spheres.check_points(X)
    count, tolerance = check_integer("count", count, 1), check_positive("tolerance", tolerance)
    whole = HorizontalSpace(problem, X, np.ones(X.shape[1]))
    if count > whole.dimension:
        raise InvalidInputError(
            f"count={count} exceeds the {whole.dimension} dimensions of the horizontal space"
        )
    search = ExtremeSearch(
        count=count,
        largest=largest,
        tolerance=tolerance,
        max_iterations=check_integer("max_iterations", max_iterations, 0),
        rng=as_generator(rng),
    )
    parts = None if whole.is_small(search) else capabilities.equal_samples(problem, X, whole.rank)
    if parts is None or parts.is_everything:
        return _measured(whole, whole.extreme(search), search)
    found = _measured(whole, _extreme_of_parts(parts, search), search)
    if found.converged:
        return found
    return _measured(whole, whole.extreme(search, found.vectors), search, found.products)


def _measured(
    space: HorizontalSpace, pairs: RitzPairs, search: ExtremeSearch, products: int = 0
) -> HessianExtreme:
    """Pairs with their residuals in the whole problem."""
    off = space.horizontal(space.problem.at(space.X).hessian_product(pairs.vectors))
    residuals = block_norms(off - pairs.values[:, None, None] * pairs.vectors)
    return HessianExtreme(
        eigenvalues=pairs.values,
        residuals=residuals,
        vectors=pairs.vectors,
        converged=bool((residuals <= search.tolerance * pairs.norm).all()),
        products=products + pairs.products + len(residuals),
    )


def _extreme_of_parts(parts: EqualSamples, search: ExtremeSearch) -> RitzPairs:
    """The extreme ones of all parts, with vectors of the whole problem."""
    span = HorizontalSpace(parts.problem, parts.Y, parts.root).extreme(search) if parts.rank > 1 else None
    normal = _normal_extreme(parts, search) if parts.normal_dimension else None
    met = [pairs for pairs in (span, normal) if pairs is not None]
    candidates = sorted(_candidates(parts, span, normal), key=lambda c: search.sign * c[0])
    copies = ((value, vector(copy)) for value, count, vector in candidates for copy in range(count))
    values, vectors = zip(*islice(copies, search.count), strict=True)
    return RitzPairs(
        values=np.array(values),
        vectors=np.array(vectors),
        norm=max(pairs.norm for pairs in met),
        products=sum(pairs.products for pairs in met),
    )


def _candidates(
    parts: EqualSamples, span: RitzPairs | None, normal: RitzPairs | None
) -> Iterator[_Candidate]:
    """Eigenvalues of all parts."""
    d, r = len(parts.E), parts.rank
    if span is not None:
        for value, U in zip(span.values, span.vectors, strict=True):
            yield float(value), 1, partial(_in_span, parts, U)
    if normal is not None:
        for value, c in zip(normal.values, normal.vectors[:, 0], strict=True):
            yield float(value), d - r, partial(parts.lift_normal, c)
    for group, values, vectors in parts.within():
        for value, v in zip(values, vectors.T, strict=True):
            yield float(value), int(parts.sizes[group]) - 1, partial(parts.lift_within, group, v)
    for group in np.flatnonzero(parts.sizes > 1).tolist() if d > r else ():
        value = -float(parts.point.beta[group] / parts.sizes[group])
        apart = int(parts.sizes[group]) - 1
        yield value, apart * (d - r), partial(_apart_and_normal, parts, group, apart)


def _in_span(parts: EqualSamples, U: Array, copy: int) -> Array:
    """The one vector of a simple eigenvalue."""
    return parts.lift(U)


def _apart_and_normal(parts: EqualSamples, group: int, apart: int, copy: int) -> Array:
    """Samples of a group that move apart along a normal direction."""
    return parts.lift_within(group, parts.normal[:, copy // apart], copy % apart)


def _normal_extreme(parts: EqualSamples, search: ExtremeSearch) -> RitzPairs:
    """Extreme eigenpairs of the scaled ``S`` off the rows of the point, vectors of shape ``(k, 1, K + m)``."""
    root, S = parts.root, parts.point.multiplier_matrix
    rows = (parts.Y * root).T
    if search.takes_apart(S.size):
        return search.of_matrix(S.dense() / np.outer(root, root), rows)
    rows = np.linalg.qr(rows)[0]
    inverse = approximate_inverse(parts.point, root)

    def off_rows(c: Array) -> Array:
        return np.asarray(c - (c @ rows) @ rows.T)

    return search.lowest(
        lambda c: off_rows((S @ (c[:, 0] / root).T).T / root)[:, None],
        lambda R: off_rows(R if search.largest else inverse(R)),
        off_rows(search.rng.standard_normal((search.block, 1, S.size))),
    )
