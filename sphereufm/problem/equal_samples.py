r"""A point with equal samples, taken apart: its Hessian is a direct sum of much smaller ones.

Samples with the same label, weight and feature form a *group*.  Where the point has rank ``r < d`` and groups ``g``
of ``m_g`` samples, tangent vectors of the whole problem are the orthogonal sum of

* *in the span*: all samples of a group move together, inside ``R^r``.  There the Hessian is that of the *merged*
  problem (one sample a group, with the group's weight) in which a feature counts ``m_g`` times in the metric;
* *normal*: ``a c^T`` with ``a`` normal to the span.  ``d - r`` copies of the merged multiplier matrix ``S``;
* *within a group*: samples move apart with sum zero.  ``m_g - 1`` copies of ``tau^2 omega W C W^T - beta I`` on the
  tangent space of the feature.

No term couples them: couplings of features to classifiers are sums over a group, and ``D = U^T H + W^T V`` vanishes on
normal directions.  This holds at every point, critical or not.  In the first two parts columns are *scaled*: the
feature column of a group is multiplied by ``sqrt(m_g)``, which turns the metric into the usual one.

========  ===============  ======================================================
symbol    shape            meaning
========  ===============  ======================================================
``X``     ``(d, K + N)``   the point
``Y``     ``(r, K + m)``   the merged point in its own span, ``m`` groups
``root``  ``(K + m,)``     ``sqrt`` of the multiplicities; 1 for classifiers
``E``     ``(d, r)``       orthonormal; its columns span ``X``
========  ===============  ======================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, normalize
from sphereufm.geometry.tangent_spaces import tangent_bases
from sphereufm.problem.arrow_hessian import feature_blocks

if TYPE_CHECKING:
    from sphereufm.problem.evaluation import UFMEvaluation
    from sphereufm.problem.ufm import UFMProblem

# Features of one group are at most this far apart.
_SAME_FEATURE = 1e-7


@dataclass(frozen=True, kw_only=True, eq=False)
class MergedSpace:
    """The problem where the samples of each group are equal: one sample a group, of the group's weight."""

    problem: UFMProblem
    group: NDArray[np.intp]  #: shape ``(N,)``: group of each sample

    @classmethod
    def of(cls, problem: UFMProblem, group: NDArray[np.intp], dim: int) -> MergedSpace:
        """Merge the samples of each group, in ``R^dim``."""
        weights = np.bincount(group, weights=problem.weights)
        return cls(problem=problem.with_samples(_first(group), weights, dim), group=group)

    @property
    def name(self) -> str:
        """What is equal."""
        return f"{self.problem.samples} groups of equal samples"

    def expand(self, Y: Array) -> Array:
        """Columns of groups repeated for their samples, shape ``(..., d, K + N)``."""
        K = self.problem.classes
        return np.concatenate([Y[..., :K], Y[..., K + self.group]], axis=-1)


@dataclass(frozen=True, kw_only=True, eq=False)
class EqualSamples:
    """A point, merged and in its own span."""

    merged: MergedSpace  #: in ``R^r``
    Y: Array  #: shape ``(r, K + m)``
    E: Array  #: shape ``(d, r)``

    @property
    def problem(self) -> UFMProblem:
        """The merged problem in ``R^r``."""
        return self.merged.problem

    @cached_property
    def sizes(self) -> NDArray[np.intp]:
        """Samples of each group, shape ``(m,)``."""
        return np.bincount(self.merged.group)

    @property
    def rank(self) -> int:
        """Rows of ``Y``."""
        return int(self.Y.shape[0])

    @property
    def is_everything(self) -> bool:
        """Whether there is nothing to take apart: full rank, and no two samples equal."""
        return not self.normal_dimension and self.sizes.max() == 1

    @property
    def normal_dimension(self) -> int:
        """``d - r``."""
        return len(self.E) - self.rank

    @cached_property
    def normal(self) -> Array:
        """Orthonormal directions normal to the span, shape ``(d, d - r)``."""
        return np.linalg.qr(self.E, mode="complete")[0][:, self.rank :]

    @cached_property
    def root(self) -> Array:
        """Square roots of the multiplicities, shape ``(K + m,)``."""
        return np.sqrt(np.concatenate([np.ones(self.problem.classes), self.sizes]))

    @cached_property
    def point(self) -> UFMEvaluation:
        """The merged problem at ``Y``."""
        return self.problem.at(self.Y)

    def within(self) -> Iterator[tuple[int, Array, Array]]:
        """Number, eigenvalues ``(r - 1,)`` and eigenvectors ``(d, r - 1)`` of every group of two or more."""
        K, r = self.problem.classes, self.rank
        groups = np.flatnonzero(self.sizes > 1)
        if r < 2 or not groups.size:
            return
        blocks = feature_blocks(self.point)[groups] / self.sizes[groups, None, None]
        values, c = np.linalg.eigh(blocks)
        vectors = self.E @ (tangent_bases(self.Y[:, K + groups]) @ c)
        yield from zip(groups.tolist(), values, vectors, strict=True)

    def lift(self, U: Array) -> Array:
        """Scaled vectors in the span, shape ``(k, r, K + m)``, as vectors ``(k, d, K + N)`` of equal length."""
        return np.asarray(self.E @ self.merged.expand(U / self.root))

    def lift_normal(self, c: Array, direction: int) -> Array:
        """Scaled ``c``, shape ``(k, K + m)``, along one normal direction, as vectors ``(k, d, K + N)``."""
        return np.asarray(self.normal[:, direction, None] * self.merged.expand((c / self.root)[..., None, :]))

    def lift_within(self, group: int, v: Array, copy: int) -> Array:
        """Unit ``v`` of ``R^d`` in the ``copy``-th of the ``m_g - 1`` orthonormal patterns of sum zero."""
        K, of = self.problem.classes, self.merged.group
        pattern = np.append(np.ones(copy + 1), -(copy + 1.0))
        U = np.zeros((len(self.E), K + of.size))
        U[:, K + np.flatnonzero(of == group)[: copy + 2]] = v[:, None] * pattern / np.linalg.norm(pattern)
        return U


def merged_at_random(problem: UFMProblem, rng: np.random.Generator, most: int) -> MergedSpace | None:
    """Split each kind's interchangeable samples into at most ``most`` groups of random sizes; None where all differ."""
    K, permutations = problem.classes, problem.symmetry.permutations
    cells = [
        np.array(cell) - K for block in permutations.blocks for cell in block if min(cell, default=0) >= K
    ]
    if all(cell.size < 2 for cell in cells):
        return None
    group = np.empty(problem.samples, dtype=np.intp)
    used = 0
    for cell in cells:
        count = int(rng.integers(1, min(cell.size, most) + 1))
        # all compositions of the cell's size are equally likely
        cuts = np.sort(rng.choice(cell.size - 1, count - 1, replace=False))
        group[cell] = used + np.searchsorted(cuts, np.arange(cell.size))
        used += count
    return MergedSpace.of(problem, group, problem.dim)


def equal_samples(problem: UFMProblem, X: Array, rank: int) -> EqualSamples:
    """Take a point apart: any point ``X``, shape ``(d, K + N)``, of the given rank."""
    K = problem.classes
    group = sample_groups(problem, X[:, K:])
    E = np.linalg.svd(X, full_matrices=False)[0][:, :rank]
    columns = np.concatenate([np.arange(K), K + _first(group)])
    Y = normalize(E.T @ X[:, columns])
    return EqualSamples(merged=MergedSpace.of(problem, group, rank), Y=Y, E=E)


def share_of_distinct_samples(problem: UFMProblem, X: Array) -> float:
    """Groups of equal samples, as a share of all samples."""
    return float((sample_groups(problem, X[:, problem.classes :]).max() + 1) / problem.samples)


def sample_groups(problem: UFMProblem, H: Array) -> NDArray[np.intp]:
    """Groups ``0 .. m - 1`` of samples with equal label, weight, temperature and feature, shape ``(N,)``.

    Features ``H``, shape ``(d, N)``, agree within 1e-7; equal samples may be left in different groups, never the
    converse.  Groups are numbered by their first members.
    """
    if np.bincount(problem.labels).max() == 1:
        return np.arange(problem.samples)
    # features are compared along the order of one generic projection, so that equal ones are neighbours
    direction = np.cos(np.arange(1.0, H.shape[0] + 1.0) ** 2)
    kind = np.stack([problem.labels, problem.weights, problem.temperatures])
    order = np.lexsort((direction @ H, *kind[::-1]))
    H, kind = H[:, order], kind[:, order]
    starts = np.zeros(order.size, dtype=np.intp)
    begin = 0
    for i in range(1, order.size):
        far = np.abs(H[:, i] - H[:, begin]).max() > _SAME_FEATURE
        if far or (kind[:, i] != kind[:, begin]).any():
            begin = i
        starts[i] = begin
    number = np.unique(starts, return_inverse=True)[1]
    first = np.full(number[-1] + 1, order.size)
    np.minimum.at(first, number, order)
    group = np.empty(order.size, dtype=np.intp)
    group[order] = np.argsort(np.argsort(first))[number]
    return group


def _first(group: NDArray[np.intp]) -> NDArray[np.intp]:
    """First member of each group."""
    return np.unique(group, return_index=True)[1]
