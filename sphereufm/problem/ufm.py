r"""Cross-entropy of normalised features and classifiers: the unconstrained feature model on spheres.

``f(W, H) = sum_i omega_i CE(tau W^T h_i, y_i)`` over unit columns ``W``, shape ``(d, K)``, and ``H``, shape
``(d, N)``; one point is ``X = [W H]``, shape ``(d, K + N)``.  Costs are in nats.

References
----------
C. Yaras, P. Wang, Z. Zhu, L. Balzano, Q. Qu, *Neural Collapse with Normalized Features: A Geometric Analysis
over the Riemannian Manifold*, NeurIPS 2022, arXiv:2209.09211.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sphereufm.errors import InvalidInputError, check_array, check_integer
from sphereufm.geometry.spheres import Array, ProductOfSpheres
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup
from sphereufm.problem.arguments import (
    Number,
    classes_and_labels,
    exact_positive,
    nearest_double,
    read_only,
    sample_weights,
)
from sphereufm.problem.evaluation import UFMEvaluation
from sphereufm.problem.kernels import SampleBlock, sample_blocks
from sphereufm.problem.losses import LOSSES, Loss

if TYPE_CHECKING:
    import pymanopt

    from sphereufm.problem.equal_samples import EqualSamples
    from sphereufm.problem.fixed_spaces.spaces import SymmetricSpace
    from sphereufm.problem.theory.gap import OptimalityGap
    from sphereufm.problem.theory.negative_curvature import DescentDirection
    from sphereufm.problem.theory.theorems import TheoremCheck

__all__ = ["Number", "UFMProblem"]

_MEMORY_BUDGET = 256 << 20
_MOST_SIZES_SHOWN = 12
# Classes from which on fixed-point spaces are worth their time beside the search of all configurations.
_SYMMETRIC_FROM = 4
# Losses that `certify.balls` and the checker know.
_LOSSES_IN_BALLS = ("cross-entropy",)


@dataclass(frozen=True, kw_only=True, eq=False, init=False)
class UFMProblem:
    """The cost of normalised features and classifiers on a product of two oblique manifolds.

    Parameters
    ----------
    dim : int
        Feature dimension ``d``.
    tau : float, int, str or Fraction
        Inverse temperature that multiplies the logits.  Text such as ``"0.1"`` or ``"1/3"`` is kept as that
        exact rational; a float is kept as the dyadic number it is.
    class_sizes : sequence of int, optional
        Samples of each class; classes may be empty.  Sample columns are then in the order of classes.
    labels : array_like of int, shape (N,), optional
        Class of each sample.  One of ``class_sizes`` and ``labels`` is needed; both must agree.
    classes : int, optional
        Number of classes ``K``, where the largest label does not tell it.
    weights : sequence, shape (N,), optional
        Positive sample weights (floats, or exact text and fractions); normalised to sum one.
    loss : str
        ``"cross-entropy"``.
    memory_budget : int
        Bytes that a kept forward pass may take; beyond it is recomputed in blocks.

    Raises
    ------
    InvalidInputError
        If a dimension is below one, a class size negative, there is no sample or a single class, ``tau`` not
        finite and positive, class sizes and labels disagree, or weights have the wrong length or sign.

    Examples
    --------
    >>> problem = UFMProblem(class_sizes=(2, 2), dim=3, tau="0.1")
    >>> problem
    UFMProblem(class_sizes=(2, 2), dim=3, tau=1/10, loss='cross-entropy')
    >>> problem.shape
    (3, 6)
    >>> X = problem.spheres.random_point(0)
    >>> problem.gradient(X).shape
    (3, 6)
    """

    classes: int
    dim: int
    tau: float
    exact_tau: Fraction
    labels: NDArray[np.intp]
    weights: Array
    exact_weights: tuple[Fraction, ...] | None
    loss: Loss
    memory_budget: int

    def __init__(
        self,
        *,
        dim: int,
        tau: Number,
        class_sizes: Sequence[int] | None = None,
        labels: ArrayLike | None = None,
        classes: int | None = None,
        weights: Iterable[Number] | None = None,
        loss: str = "cross-entropy",
        memory_budget: int = _MEMORY_BUDGET,
    ) -> None:
        if not isinstance(loss, str) or loss not in LOSSES:
            raise InvalidInputError(f"loss={loss!r} must be one of {', '.join(LOSSES)}")
        K, y = classes_and_labels(class_sizes, labels, classes)
        exact_tau = exact_positive("tau", tau, "logits are tau * W.T @ H")
        exact_weights, omega = sample_weights(weights, y.size)
        values: dict[str, object] = {
            "classes": K,
            "dim": check_integer("dim", dim, 1),
            "tau": nearest_double("tau", tau, exact_tau),
            "exact_tau": exact_tau,
            "labels": read_only(y),
            "weights": read_only(omega),
            "exact_weights": exact_weights,
            "loss": LOSSES[loss],
            "memory_budget": check_integer("memory_budget", memory_budget, 0),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        few = self.classes <= _MOST_SIZES_SHOWN
        sizes = (
            f"class_sizes={self.class_sizes}" if few else f"classes={self.classes}, samples={self.samples}"
        )
        tau = self.tau if Fraction(self.tau) == self.exact_tau else self.exact_tau
        weights = "" if self.exact_weights is None else f", weights=<{self.samples} values>"
        return f"UFMProblem({sizes}, dim={self.dim}, tau={tau}{weights}, loss={self.loss.name!r})"

    def __getstate__(self) -> dict[str, object]:
        # what is derived from the fields is made again on the other side
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def __setstate__(self, state: dict[str, object]) -> None:
        for name, value in state.items():
            # arrays come out of a pickle writeable
            object.__setattr__(self, name, read_only(value) if isinstance(value, np.ndarray) else value)

    @property
    def samples(self) -> int:
        """Number of samples ``N``."""
        return int(self.labels.size)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape ``(d, K + N)`` of one point."""
        return self.dim, self.classes + self.samples

    @cached_property
    def class_sizes(self) -> tuple[int, ...]:
        """Samples of each class."""
        return tuple(int(n) for n in np.bincount(self.labels, minlength=self.classes))

    @property
    def is_balanced(self) -> bool:
        """Whether all classes have the same number of samples and all weights are equal."""
        return self.exact_weights is None and len(set(self.class_sizes)) == 1

    @cached_property
    def spheres(self) -> ProductOfSpheres:
        """The oblique manifold OB(d, K + N)."""
        return ProductOfSpheres.oblique(self.dim, self.classes + self.samples)

    @cached_property
    def symmetry(self) -> SymmetryGroup:
        """O(d), samples of one class and weight, and classes with equal multisets of weights."""
        cells: list[dict[Fraction, list[int]]] = [{} for _ in range(self.classes)]
        one = Fraction(1)
        for i, y in enumerate(self.labels.tolist()):
            weight = one if self.exact_weights is None else self.exact_weights[i]
            cells[y].setdefault(weight, []).append(self.classes + i)
        blocks, kinds = [], []
        for k, groups in enumerate(cells):
            ordered = sorted(groups.items())
            blocks.append(((k,), *(tuple(columns) for _, columns in ordered)))
            kinds.append(tuple((weight, len(columns)) for weight, columns in ordered))
        return SymmetryGroup(True, ColumnPermutations(tuple(blocks), tuple(kinds)))

    @cached_property
    def blocks(self) -> tuple[SampleBlock, ...]:
        """The samples cut into blocks that stay in cache."""
        return sample_blocks(self.labels, self.weights, self.classes, self.tau)

    def at(self, X: Array) -> UFMEvaluation:
        """Evaluate at ``X``: cost, gradient, Hessian products and multipliers share one forward pass.

        Parameters
        ----------
        X : ndarray of float64, shape (..., d, K + N)
            Points with unit columns (not checked: see :meth:`check_point`).

        Raises
        ------
        InvalidInputError
            If ``X`` has another shape or type.
        """
        if not isinstance(X, np.ndarray) or X.dtype != np.float64 or X.shape[-2:] != self.shape:
            X = check_array("X", X, self.shape)
        return UFMEvaluation(self, X)

    def cost(self, X: Array) -> Array:
        """Cost in nats, shape ``(...)``."""
        return self.at(X).cost

    def log_cost(self, X: Array) -> Array:
        """Natural logarithm of the cost, shape ``(...)``, finite also where the cost underflows."""
        return self.at(X).log_cost

    def gradient(self, X: Array) -> Array:
        """Riemannian gradient, shape ``(..., d, K + N)``."""
        return self.at(X).gradient

    def hessian_product(self, X: Array, U: Array) -> Array:
        """Riemannian Hessian at ``X`` applied to a tangent ``U``, shape ``(..., d, K + N)``."""
        return self.at(X).hessian_product(check_array("U", U, self.shape))

    def check_point(self, X: ArrayLike, name: str = "X") -> Array:
        """Return ``X`` as float64 if it is a point of the manifold.

        Raises
        ------
        InvalidInputError
            If the shape differs, an entry is not finite, or a column's norm is off one by more than 1e-8.
        """
        point = check_array(name, X, self.shape)
        off = float(np.abs(np.sqrt((point * point).sum(axis=-2)) - 1.0).max())
        if off > 1e-8:
            raise InvalidInputError(f"{name} has a column of norm off one by {off:.1e}; normalise it first")
        return point

    def in_dimension(self, r: int) -> UFMProblem:
        """The same problem with features in ``R^r``."""
        return self._with(dim=check_integer("dim", r, 1))

    def with_tau(self, tau: Number) -> UFMProblem:
        """The same problem at another inverse temperature."""
        exact_tau = exact_positive("tau", tau, "logits are tau * W.T @ H")
        return self._with(tau=nearest_double("tau", tau, exact_tau), exact_tau=exact_tau)

    def to_pymanopt(self, *, derivatives: str = "closed-form", manifold: str = "oblique") -> pymanopt.Problem:
        """Return the problem as a ``pymanopt.Problem``; see :mod:`sphereufm.problem.pymanopt.to_pymanopt`."""
        from sphereufm.problem.pymanopt.to_pymanopt import to_pymanopt

        return to_pymanopt(self, derivatives=derivatives, manifold=manifold)

    def with_samples(self, labels: ArrayLike, weights: NDArray[np.number], dim: int) -> UFMProblem:
        """The same classes, loss and temperature with other samples, in ``R^dim``."""
        return UFMProblem(
            labels=labels,
            weights=weights,
            dim=dim,
            classes=self.classes,
            tau=self.exact_tau,
            loss=self.loss.name,
        )

    # What the problem knows beyond its cost: see sphereufm.problem.capabilities.

    def highest_rank(self) -> int:
        """``K + 1``: beyond the collapsed classifiers no critical point has a rank above ``K``."""
        return self.classes + 1

    def known_minimum(self) -> float | None:
        """See :func:`~sphereufm.problem.theory.theorems.global_minimum`."""
        from sphereufm.problem.theory.theorems import global_minimum

        return global_minimum(self)

    def optimality_gap(self, X: Array) -> OptimalityGap:
        """See :func:`~sphereufm.problem.theory.gap.optimality_gap`."""
        from sphereufm.problem.theory.gap import optimality_gap

        return optimality_gap(self, X)

    def benign_theorem(self) -> TheoremCheck:
        """See :func:`~sphereufm.problem.theory.theorems.theorem_s`."""
        from sphereufm.problem.theory.theorems import theorem_s

        return theorem_s(self)

    def descent_direction(self, X: Array) -> DescentDirection | None:
        """See :func:`~sphereufm.problem.theory.negative_curvature.descent_direction`."""
        from sphereufm.problem.theory.negative_curvature import descent_direction

        return descent_direction(self, X)

    def constructed_starts(self) -> Iterator[Array]:
        """See :func:`~sphereufm.problem.theory.known_points.constructed_starts`."""
        from sphereufm.problem.theory.known_points import constructed_starts

        return constructed_starts(self)

    def family_name(self, X: Array, cost: float) -> str | None:
        """See :func:`~sphereufm.problem.theory.collapsed_family.family_name`."""
        from sphereufm.problem.theory.collapsed_family import family_name

        return family_name(self, X, cost)

    def fixed_point_spaces(self) -> Iterator[SymmetricSpace]:
        """See :func:`~sphereufm.problem.fixed_spaces.spaces.fixed_point_spaces`; from four classes on."""
        from sphereufm.problem.fixed_spaces.spaces import fixed_point_spaces

        return fixed_point_spaces(self) if self.classes >= _SYMMETRIC_FROM else iter(())

    def equal_samples(self, X: Array, rank: int) -> EqualSamples:
        """See :func:`~sphereufm.problem.equal_samples.equal_samples`."""
        from sphereufm.problem.equal_samples import equal_samples

        return equal_samples(self, X, rank)

    def column_factors(self) -> Array:
        """Classifiers weigh 1 in the metric and features ``K omega_i``: both see curvatures of the same order."""
        return np.concatenate([np.ones(self.classes), np.sqrt(self.classes * self.weights)])

    def exact_instance(self) -> Any:
        """The instance that certificates speak of; None for a loss without proofs."""
        from sphereufm.certify.instances import ExactInstance

        return ExactInstance.from_problem(self) if self.loss.name in _LOSSES_IN_BALLS else None

    def is_always_finite(self) -> bool:
        """Losses of bounded logits are finite."""
        return True

    def column_labels(self) -> tuple[list[int], int]:
        """Class of each column, and ``K``."""
        return [*range(self.classes), *map(int, self.labels)], self.classes

    def title(self) -> str:
        """Class sizes, dimension and temperature in one line."""
        few = self.classes <= _MOST_SIZES_SHOWN
        sizes = ",".join(map(str, self.class_sizes)) if few else f"of {self.classes} classes"
        weights = "" if self.exact_weights is None else ", weighted samples"
        return f"class sizes {sizes}, d = {self.dim}, tau = {self.tau:g}{weights}"

    def cost_unit(self) -> str:
        """Natural logarithms."""
        return "nats"

    def to_json(self) -> dict[str, Any]:
        """Every number that the problem is made of, exactly."""
        ordered = bool((np.diff(self.labels) >= 0).all())
        return {
            "classes": self.classes,
            "class_sizes": list(self.class_sizes),
            "samples": self.samples,
            "labels": None if ordered else self.labels.tolist(),
            "dim": self.dim,
            "tau": self.tau,
            "exact_tau": str(self.exact_tau),
            "weights": None if self.exact_weights is None else [str(w) for w in self.exact_weights],
            "loss": self.loss.name,
        }

    def _with(self, **changes: object) -> UFMProblem:
        """Copy with some fields replaced; labels and weights are shared."""
        copy = object.__new__(UFMProblem)
        for name in UFMProblem.__dataclass_fields__:
            object.__setattr__(copy, name, changes.get(name, getattr(self, name)))
        return copy
