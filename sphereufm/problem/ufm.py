r"""Problems of normalised features and classifiers: the unconstrained feature model on spheres.

``f(W, H) = sum_i omega_i loss(tau_i W^T h_i, y_i)`` over unit columns ``W``, shape ``(d, K)``, and ``H``, shape
``(d, N)``; one point is ``X = [W H]``, shape ``(d, K + N)``.  With a free bias, ``f(W, H) = min over b of sum_i omega_i
loss(tau_i W^T h_i + b, y_i)``.  Costs are in nats where the loss is.

References
----------
C. Yaras, P. Wang, Z. Zhu, L. Balzano, Q. Qu, *Neural Collapse with Normalized Features: A Geometric Analysis
over the Riemannian Manifold*, NeurIPS 2022, arXiv:2209.09211.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sphereufm.errors import InvalidInputError, check_array, check_integer
from sphereufm.geometry.spheres import Array, ProductOfSpheres
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup
from sphereufm.problem import equal_samples
from sphereufm.problem.arguments import (
    Number,
    classes_and_labels,
    exact_positive,
    exact_temperature,
    relative_temperatures,
    sample_weights,
    temperatures,
)
from sphereufm.problem.evaluation import UFMEvaluation
from sphereufm.problem.free_bias import check_bias
from sphereufm.problem.kernels import sample_blocks
from sphereufm.problem.losses.cross_entropy import PLAIN
from sphereufm.problem.losses.interface import Loss, SampleBlock
from sphereufm.problem.losses.registry import find_loss, loss_in_words, loss_to_json
from sphereufm.problem.pymanopt.to_pymanopt import to_pymanopt
from sphereufm.problem.restriction import SymmetricSpace, fixed_point_spaces
from sphereufm.problem.theory import gap, known_points, negative_curvature, theorems

MOST_SIZES_SHOWN = 12
_MEMORY_BUDGET = 256 << 20
# Classes from which on fixed-point spaces are worth their time beside the search of all configurations.
_SYMMETRIC_FROM = 4


@dataclass(frozen=True, eq=False, init=False, repr=False)
class UFMProblem:
    """The cost of normalised features and classifiers on a product of two oblique manifolds.

    Parameters
    ----------
    dim : int
        Feature dimension ``d``.
    tau : float, int, str or Fraction, or a sequence of them
        Inverse temperature that multiplies the logits: one, or one a class (``K``) or one a sample (``N``; where both
        are the same number, one a class).  Text such as ``"0.1"`` or ``"1/3"`` is kept as that exact rational; a float
        is kept as the dyadic number it is.
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
    bias : bool
        Whether a vector in ``R^K`` is added to all logits and minimised out; for convex losses, with a sample in each
        class.
    memory_budget : int
        Bytes that a kept forward pass may take; beyond it is recomputed in blocks.

    Raises
    ------
    InvalidInputError
        If a dimension is below one, a class size negative, there is no sample or a single class, ``tau`` not
        finite and positive, class sizes and labels disagree, weights have the wrong length or sign, the loss is
        unknown, its parameters are out of range, or it can have no free bias.

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
    exact_tau: Fraction  #: the largest ``tau_i``; ``tau`` is the same in floating point
    labels: NDArray[np.intp]  #: shape ``(N,)``
    weights: Array  #: ``omega``, shape ``(N,)``, of sum one
    exact_weights: tuple[Fraction, ...] | None  #: relative sample weights, where they differ
    exact_rates: tuple[Fraction, ...] | None  #: ``tau_i / tau`` of each sample, where they differ
    loss: Loss
    bias: bool
    memory_budget: int

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
        bias: bool = False,
        memory_budget: int = _MEMORY_BUDGET,
    ) -> None:
        found = find_loss(loss)
        K, y = classes_and_labels(class_sizes, labels, classes)
        exact_tau, rates = temperatures(tau, y, K)
        exact_weights, omega = sample_weights(weights, y.size)
        facts = found.facts(K)  # refuses parameters that do not fit K
        if not isinstance(bias, bool | np.bool_):
            raise InvalidInputError(f"bias={bias!r} must be True or False")
        if bias:
            check_bias(found.name, facts, np.bincount(y, minlength=K))
        self._fill(
            classes=K,
            dim=check_integer("dim", dim, 1),
            exact_tau=exact_tau,
            labels=np.array(y),
            weights=omega,
            exact_weights=exact_weights,
            exact_rates=rates,
            loss=found,
            bias=bool(bias),
            memory_budget=check_integer("memory_budget", memory_budget, 0),
        )
        self._check_scales()

    def _check_scales(self) -> None:
        """Refuse samples that cost nothing in floats."""
        if not (self.temperatures * self.weights).min() > 0.0:
            raise InvalidInputError(
                "a sample's weight times its tau is zero in double precision beside the others'; leave it out"
            )

    def _fill(self, **values: Any) -> None:
        """Set the fields; arrays are read-only, also those that come out of a pickle writeable."""
        for value in values.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
        self.__dict__.update(values)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._values(),)

    def _values(self) -> dict[str, Any]:
        """The fields alone: what is derived from them is made again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __repr__(self) -> str:
        few = self.classes <= MOST_SIZES_SHOWN
        sizes = (
            f"class_sizes={self.class_sizes}" if few else f"classes={self.classes}, samples={self.samples}"
        )
        tau = self.tau if Fraction(self.tau) == self.exact_tau else self.exact_tau
        given = {"rates": self.exact_rates, "weights": self.exact_weights}
        more = "".join(f", {name}=<{self.samples} values>" for name, values in given.items() if values)
        bias = ", bias=True" if self.bias else ""
        return f"UFMProblem({sizes}, dim={self.dim}, tau={tau}{more}, loss={self.loss.name!r}{bias})"

    @cached_property
    def tau(self) -> float:
        """Inverse temperature to the nearest double; the largest where samples have their own."""
        return float(self.exact_tau)

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
        """Whether all classes have the same number of samples, and all weights and temperatures are equal."""
        return self.exact_weights is None and self.exact_rates is None and len(set(self.class_sizes)) == 1

    @property
    def is_plain(self) -> bool:
        """Whether the loss is cross-entropy, without margin, offsets, bias or several temperatures."""
        return self.loss == PLAIN and self.exact_rates is None and not self.bias

    @cached_property
    def spheres(self) -> ProductOfSpheres:
        """The oblique manifold OB(d, K + N)."""
        return ProductOfSpheres.oblique(*self.shape)

    @cached_property
    def symmetry(self) -> SymmetryGroup:
        """O(d), samples of one class, weight and temperature, and classes that the cost cannot tell apart."""
        ones = (Fraction(1),) * self.samples
        sample_kinds = zip(self.exact_weights or ones, self.exact_rates or ones, strict=True)
        class_kinds = self.loss.facts(self.classes).class_kinds or (None,) * self.classes
        permutations = ColumnPermutations.of_classes(self.labels.tolist(), sample_kinds, class_kinds)
        return SymmetryGroup(True, permutations)

    @cached_property
    def rates(self) -> Array | None:
        """``tau_i / tau`` in floating point, shape ``(N,)``, where they differ."""
        return None if self.exact_rates is None else np.array(self.exact_rates, dtype=np.float64)

    @property
    def temperatures(self) -> Array:
        """``tau_i`` in floating point, shape ``(N,)``."""
        return np.full(self.samples, self.tau) if self.rates is None else self.tau * self.rates

    @cached_property
    def blocks(self) -> tuple[SampleBlock, ...]:
        """The samples cut into blocks that stay in cache."""
        return sample_blocks(self.labels, self.weights, self.classes, self.tau, self.rates)

    def at(self, X: Array) -> UFMEvaluation:
        """Evaluate at ``X``, shape ``(..., d, K + N)``, of unit columns (not checked: see :meth:`check_point`)."""
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
        """Return ``X`` as float64 if it is a point of the manifold, columns of length one to 1e-8; else refuse it."""
        return self.spheres.check_point(X, name)

    def in_dimension(self, r: int) -> UFMProblem:
        """The same problem with features in ``R^r``, kept, since searches ask again and again."""
        known: dict[int, UFMProblem] = self.__dict__.setdefault("_in_dimensions", {})
        if r not in known:
            known[r] = self._with(dim=check_integer("dim", r, 1))
        return known[r]

    def with_tau(self, tau: Number) -> UFMProblem:
        """The same problem at another inverse temperature; those of the samples keep their ratios."""
        return self._with(exact_tau=exact_temperature(tau))

    def _with(self, **changes: Any) -> UFMProblem:
        """A copy with some fields changed, each of which is right by itself."""
        changed = _rebuild(self._values() | changes)
        changed._check_scales()
        return changed

    def _with_rates(self, rates: Sequence[Fraction] | None) -> UFMProblem:
        """A copy with temperatures ``tau rate_i`` of the samples, also where there are as many samples as classes."""
        if rates is None:
            return self
        tau, relative = relative_temperatures([self.exact_tau * rate for rate in rates])
        return self._with(exact_tau=tau, exact_rates=relative)

    def with_samples(self, samples: NDArray[np.intp], weights: NDArray[np.number], dim: int) -> UFMProblem:
        """The same classes and loss with a few of the samples, at other weights, in ``R^dim``."""
        found = UFMProblem(
            labels=self.labels[samples],
            weights=weights,
            dim=dim,
            classes=self.classes,
            tau=self.exact_tau,
            loss=self.loss,
            bias=self.bias,
        )
        rates = self.exact_rates
        return found._with_rates(None if rates is None else [rates[i] for i in samples])

    to_pymanopt = to_pymanopt

    # What the problem knows beyond its cost: see sphereufm.problem.capabilities.
    known_minimum = theorems.global_minimum
    optimality_gap = gap.optimality_gap
    benign_theorem = theorems.benign_theorem
    point_theorem = theorems.theorem_f
    descent_direction = negative_curvature.descent_direction
    constructed_starts = known_points.constructed_starts
    family_name = known_points.family_name
    pulls_are_rounding = known_points.pulls_are_rounding
    merged_at_random = equal_samples.merged_at_random
    share_of_distinct_samples = equal_samples.share_of_distinct_samples
    equal_samples = equal_samples.equal_samples

    def highest_rank(self) -> int:
        """``K + 1``: beyond the collapsed classifiers no critical point has a rank above ``K``."""
        return self.classes + 1

    def fixed_point_spaces(self) -> Iterator[SymmetricSpace]:
        """See :func:`~sphereufm.problem.restriction.fixed_point_spaces`; from four classes on."""
        return fixed_point_spaces(self) if self.classes >= _SYMMETRIC_FROM else iter(())

    def column_factors(self) -> Array:
        """Classifiers weigh 1 in the metric and features ``K omega_i``: both see curvatures of the same order."""
        return np.concatenate([np.ones(self.classes), np.sqrt(self.classes * self.weights)])

    def exact_instance(self) -> Any:
        """The instance that certificates speak of; None for a loss without proofs."""
        from sphereufm.certify.instances import ExactInstance

        with suppress(InvalidInputError):
            return ExactInstance.from_problem(self)
        return None

    def is_well_scaled(self) -> bool:
        """Whether gradient scales are the sizes of the gradient's own terms: sums of ``|G|``."""
        return True

    def column_labels(self) -> tuple[list[int], int]:
        """Class of each column, and ``K``."""
        return [*range(self.classes), *map(int, self.labels)], self.classes

    def title(self) -> str:
        """Class sizes, dimension and temperature in one line."""
        few = self.classes <= MOST_SIZES_SHOWN
        sizes = ",".join(map(str, self.class_sizes)) if few else f"of {self.classes} classes"
        tau = f"tau = {self.tau:g}{' at most' if self.exact_rates else ''}"
        weights = "weighted samples" if self.exact_weights else ""
        loss = "" if self.loss == PLAIN else loss_in_words(self.loss)
        parts = f"class sizes {sizes}", f"d = {self.dim}", tau, weights, loss, "free bias" * self.bias
        return ", ".join(filter(None, parts))

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
            **({"bias": True} if self.bias else {}),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> UFMProblem:
        """Inverse of :meth:`to_json`; reads older files, which name the loss only."""
        rates = data.get("rates")
        problem = UFMProblem(
            **{key: data[key] for key in ("class_sizes", "labels", "dim", "weights")},
            tau=exact_temperature(data["exact_tau"]),
            loss=data.get("loss") or "cross-entropy",
            bias=data.get("bias", False),
        )
        if rates is not None and len(rates) != problem.samples:
            raise InvalidInputError(
                f"rates has {len(rates)} entries, but there are {problem.samples} samples"
            )
        return problem._with_rates(rates and [exact_positive("rate", r, "rates are relative") for r in rates])


def _rebuild(values: dict[str, Any]) -> UFMProblem:
    """The problem of fields that were checked before."""
    problem = object.__new__(UFMProblem)
    problem._fill(**values)
    return problem
