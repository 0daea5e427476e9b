r"""Problems of normalised features and classifiers: the unconstrained feature model on spheres.

``f(W, H) = sum_i omega_i loss(tau_i W^T h_i, y_i)`` over unit columns ``W``, shape ``(d, K)``, and ``H``, shape
``(d, N)``; one point is ``X = [W H]``, shape ``(d, K + N)``.  Costs are in nats where the loss is.

References
----------
C. Yaras, P. Wang, Z. Zhu, L. Balzano, Q. Qu, *Neural Collapse with Normalized Features: A Geometric Analysis
over the Riemannian Manifold*, NeurIPS 2022, arXiv:2209.09211.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sphereufm.errors import InvalidInputError, check_array, check_integer
from sphereufm.geometry.spheres import Array, ProductOfSpheres
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.problem.arguments import (
    Number,
    classes_and_labels,
    exact_temperature,
    read_only,
    sample_weights,
    temperatures,
)
from sphereufm.problem.evaluation import UFMEvaluation
from sphereufm.problem.losses.cross_entropy import PLAIN
from sphereufm.problem.losses.interface import Loss, SampleBlock
from sphereufm.problem.losses.registry import find_loss, loss_from_json, loss_in_words, loss_to_json
from sphereufm.problem.model import MOST_SIZES_SHOWN, UFMModel
from sphereufm.tolerances import OFF_SPHERE

if TYPE_CHECKING:
    import pymanopt

    from sphereufm.problem.equal_samples import EqualSamples, MergedSpace
    from sphereufm.problem.fixed_spaces.spaces import SymmetricSpace
    from sphereufm.problem.theory.gap import OptimalityGap
    from sphereufm.problem.theory.negative_curvature import DescentDirection
    from sphereufm.problem.theory.theorems import TheoremCheck

__all__ = ["Number", "UFMProblem"]

_MEMORY_BUDGET = 256 << 20
# Classes from which on fixed-point spaces are worth their time beside the search of all configurations.
_SYMMETRIC_FROM = 4


@dataclass(frozen=True, eq=False, init=False)
class UFMProblem:
    """The cost of normalised features and classifiers on a product of two oblique manifolds.

    Parameters
    ----------
    dim : int
        Feature dimension ``d``.
    tau : float, int, str or Fraction, or a sequence of them
        Inverse temperature that multiplies the logits: one, or one a class (``K``) or one a sample (``N``).  Text such
        as ``"0.1"`` or ``"1/3"`` is kept as that exact rational; a float is kept as the dyadic number it is.
    class_sizes : sequence of int, optional
        Samples of each class; classes may be empty.  Sample columns are then in the order of classes.
    labels : array_like of int, shape (N,), optional
        Class of each sample.  One of ``class_sizes`` and ``labels`` is needed; both must agree.
    classes : int, optional
        Number of classes ``K``, where the largest label does not tell it.
    weights : sequence, shape (N,), optional
        Positive sample weights (floats, or exact text and fractions); normalised to sum one.
    loss : str, mapping or Loss
        Name of a loss (``"cross-entropy"``, ``"label-smoothing"``, ``"focal"``, ``"squared-error"``, ``"logistic"``,
        ``"arcface"``, or one from :func:`~sphereufm.problem.losses.registry.register_loss`); its name and parameters,
        ``{"name": "label-smoothing", "smoothing": "0.1"}``; or the loss itself.
    memory_budget : int
        Bytes that a kept forward pass may take; beyond it is recomputed in blocks.

    Attributes
    ----------
    model : UFMModel
        All of this, exact and in floats.

    Raises
    ------
    InvalidInputError
        If a dimension is below one, a class size negative, there is no sample or a single class, ``tau`` not
        finite and positive, class sizes and labels disagree, weights have the wrong length or sign, or the loss is
        unknown or its parameters are out of range.

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

    model: UFMModel

    def __init__(
        self,
        *,
        dim: int,
        tau: Number | Sequence[Number],
        class_sizes: Sequence[int] | None = None,
        labels: ArrayLike | None = None,
        classes: int | None = None,
        weights: Iterable[Number] | None = None,
        loss: str | Mapping[str, Any] | Loss = "cross-entropy",
        memory_budget: int = _MEMORY_BUDGET,
    ) -> None:
        found = find_loss(loss)
        K, y = classes_and_labels(class_sizes, labels, classes)
        exact_tau, rates = temperatures(tau, y, K)
        exact_weights, omega = sample_weights(weights, y.size)
        found.facts(K)  # refuses parameters that do not fit K
        model = UFMModel(
            classes=K,
            dim=check_integer("dim", dim, 1),
            exact_tau=exact_tau,
            labels=read_only(y),
            weights=read_only(omega),
            exact_weights=exact_weights,
            exact_rates=rates,
            loss=found,
            memory_budget=check_integer("memory_budget", memory_budget, 0),
        )
        object.__setattr__(self, "model", model)

    def __reduce__(self) -> tuple[Any, ...]:
        return UFMProblem.of, (self.model,)

    def __repr__(self) -> str:
        return repr(self.model).replace("UFMModel", "UFMProblem", 1)

    @property
    def classes(self) -> int:
        """Number of classes ``K``."""
        return self.model.classes

    @property
    def dim(self) -> int:
        """Feature dimension ``d``."""
        return self.model.dim

    @property
    def tau(self) -> float:
        """Inverse temperature; the largest where samples have their own."""
        return self.model.tau

    @property
    def exact_tau(self) -> Fraction:
        """The same as a rational."""
        return self.model.exact_tau

    @property
    def exact_rates(self) -> tuple[Fraction, ...] | None:
        """``tau_i / tau`` of each sample, where they differ."""
        return self.model.exact_rates

    @property
    def labels(self) -> NDArray[np.intp]:
        """Class of each sample, shape ``(N,)``."""
        return self.model.labels

    @property
    def weights(self) -> Array:
        """Sample weights, shape ``(N,)``, of sum one."""
        return self.model.weights

    @property
    def exact_weights(self) -> tuple[Fraction, ...] | None:
        """Relative weights as rationals, where they differ."""
        return self.model.exact_weights

    @property
    def loss(self) -> Loss:
        """The loss of the logits."""
        return self.model.loss

    @property
    def memory_budget(self) -> int:
        """Bytes that a kept forward pass may take."""
        return self.model.memory_budget

    @property
    def samples(self) -> int:
        """Number of samples ``N``."""
        return self.model.samples

    @property
    def shape(self) -> tuple[int, int]:
        """Shape ``(d, K + N)`` of one point."""
        return self.dim, self.classes + self.samples

    @property
    def class_sizes(self) -> tuple[int, ...]:
        """Samples of each class."""
        return self.model.class_sizes

    @property
    def is_balanced(self) -> bool:
        """Whether all classes have the same number of samples, and all weights and temperatures are equal."""
        return self.exact_weights is None and self.exact_rates is None and len(set(self.class_sizes)) == 1

    @property
    def spheres(self) -> ProductOfSpheres:
        """The oblique manifold OB(d, K + N)."""
        return self.model.spheres

    @property
    def symmetry(self) -> SymmetryGroup:
        """O(d), samples of one class, weight and temperature, and classes that the cost cannot tell apart."""
        return self.model.symmetry

    @property
    def blocks(self) -> tuple[SampleBlock, ...]:
        """The samples cut into blocks that stay in cache."""
        return self.model.blocks

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
        return UFMEvaluation(self.model, X)

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
        if off > OFF_SPHERE:
            raise InvalidInputError(f"{name} has a column of norm off one by {off:.1e}; normalise it first")
        return point

    def in_dimension(self, r: int) -> UFMProblem:
        """The same problem with features in ``R^r``."""
        return UFMProblem.of(replace(self.model, dim=check_integer("dim", r, 1)))

    def with_tau(self, tau: Number) -> UFMProblem:
        """The same problem at another inverse temperature; those of the samples keep their ratios."""
        return UFMProblem.of(replace(self.model, exact_tau=exact_temperature(tau)))

    def to_pymanopt(self, *, derivatives: str = "closed-form", manifold: str = "oblique") -> pymanopt.Problem:
        """Return the problem as a ``pymanopt.Problem``; see :mod:`sphereufm.problem.pymanopt.to_pymanopt`."""
        from sphereufm.problem.pymanopt.to_pymanopt import to_pymanopt

        return to_pymanopt(self, derivatives=derivatives, manifold=manifold)

    def with_samples(self, samples: NDArray[np.intp], weights: NDArray[np.number], dim: int) -> UFMProblem:
        """The same classes and loss with a few of the samples, at other weights, in ``R^dim``."""
        rates = self.exact_rates
        return UFMProblem(
            labels=self.labels[samples],
            weights=weights,
            dim=dim,
            classes=self.classes,
            tau=self.exact_tau if rates is None else [self.exact_tau * rates[i] for i in samples],
            loss=self.loss,
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
        """See :func:`~sphereufm.problem.theory.benign.benign_theorem`."""
        from sphereufm.problem.theory.benign import benign_theorem

        return benign_theorem(self)

    def descent_direction(self, X: Array) -> DescentDirection | None:
        """See :func:`~sphereufm.problem.theory.negative_curvature.descent_direction`."""
        from sphereufm.problem.theory.negative_curvature import descent_direction

        return descent_direction(self, X)

    def constructed_starts(self) -> Iterator[Array]:
        """See :func:`~sphereufm.problem.theory.known_points.constructed_starts`."""
        from sphereufm.problem.theory.known_points import constructed_starts

        return constructed_starts(self)

    def family_name(self, X: Array, cost: float) -> str | None:
        """See :func:`~sphereufm.problem.theory.families.family_name`."""
        from sphereufm.problem.theory.families import family_name

        return family_name(self, X, cost)

    def fixed_point_spaces(self) -> Iterator[SymmetricSpace]:
        """See :func:`~sphereufm.problem.fixed_spaces.spaces.fixed_point_spaces`; from four classes on."""
        from sphereufm.problem.fixed_spaces.spaces import fixed_point_spaces

        return fixed_point_spaces(self) if self.classes >= _SYMMETRIC_FROM else iter(())

    def equal_samples(self, X: Array, rank: int) -> EqualSamples:
        """See :func:`~sphereufm.problem.equal_samples.equal_samples`."""
        from sphereufm.problem.equal_samples import equal_samples

        return equal_samples(self, X, rank)

    def merged_at_random(self, rng: np.random.Generator, most: int) -> MergedSpace | None:
        """See :func:`~sphereufm.problem.equal_samples.merged_at_random`."""
        from sphereufm.problem.equal_samples import merged_at_random

        return merged_at_random(self, rng, most)

    def share_of_distinct_samples(self, X: Array) -> float:
        """Groups of equal samples, as a share of all samples."""
        from sphereufm.problem.equal_samples import sample_groups

        return float((sample_groups(self, X[:, self.classes :]).max() + 1) / self.samples)

    def column_factors(self) -> Array:
        """Classifiers weigh 1 in the metric and features ``K omega_i``: both see curvatures of the same order."""
        return np.concatenate([np.ones(self.classes), np.sqrt(self.classes * self.weights)])

    def exact_instance(self) -> Any:
        """The instance that certificates speak of; None for a loss without proofs."""
        from sphereufm.certify.instances import ExactInstance

        with suppress(InvalidInputError):
            return ExactInstance.from_problem(self) if self.exact_rates is None else None
        return None

    def is_well_scaled(self) -> bool:
        """Whether gradient scales are the sizes of the gradient's own terms: sums of ``|G|``."""
        return True

    def is_always_finite(self) -> bool:
        """Losses of bounded logits are finite."""
        return True

    def column_labels(self) -> tuple[list[int], int]:
        """Class of each column, and ``K``."""
        return [*range(self.classes), *map(int, self.labels)], self.classes

    def title(self) -> str:
        """Class sizes, dimension and temperature in one line."""
        few = self.classes <= MOST_SIZES_SHOWN
        sizes = ",".join(map(str, self.class_sizes)) if few else f"of {self.classes} classes"
        weights = "" if self.exact_weights is None else ", weighted samples"
        loss = "" if self.loss == PLAIN else f", {loss_in_words(self.loss)}"
        rates = "" if self.exact_rates is None else " at most"
        return f"class sizes {sizes}, d = {self.dim}, tau = {self.tau:g}{rates}{weights}{loss}"

    def cost_unit(self) -> str:
        """Natural logarithms, for losses of a probability."""
        return self.loss.facts(self.classes).unit

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
            **({} if self.exact_rates is None else {"rates": [str(r) for r in self.exact_rates]}),
            "loss": loss_to_json(self.loss),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> UFMProblem:
        """Inverse of :meth:`to_json`; reads older files, which name the loss only."""
        tau, rates = Fraction(data["exact_tau"]), data.get("rates")
        return UFMProblem(
            class_sizes=data["class_sizes"],
            labels=data["labels"],
            dim=data["dim"],
            tau=tau if rates is None else [tau * Fraction(rate) for rate in rates],
            weights=data["weights"],
            loss=loss_from_json(data.get("loss")),
        )

    @staticmethod
    def of(model: UFMModel) -> UFMProblem:
        """The problem of data that were checked before."""
        problem = object.__new__(UFMProblem)
        object.__setattr__(problem, "model", model)
        return problem
