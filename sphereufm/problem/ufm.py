r"""Cross-entropy of normalised features and classifiers: the unconstrained feature model on spheres.

``f(W, H) = sum_i omega_i CE(tau W^T h_i, y_i)`` over unit columns ``W``, shape ``(d, K)``, and ``H``, shape
``(d, N)``; one point is ``X = [W H]``, shape ``(d, K + N)``.  Costs are in nats.

References
----------
C. Yaras, P. Wang, Z. Zhu, L. Balzano, Q. Qu, *Neural Collapse with Normalized Features: A Geometric Analysis
over the Riemannian Manifold*, NeurIPS 2022, arXiv:2209.09211.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sphereufm.errors import (
    InvalidInputError,
    check_array,
    check_integer,
    check_labels,
)
from sphereufm.geometry.spheres import Array, ProductOfSpheres
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup
from sphereufm.problem.evaluation import UFMEvaluation
from sphereufm.problem.kernels import SampleBlock, sample_blocks
from sphereufm.problem.losses import LOSSES, Loss

if TYPE_CHECKING:
    import pymanopt

__all__ = ["Number", "UFMProblem"]

Number: TypeAlias = float | int | str | Fraction
_Item = TypeVar("_Item")

_MEMORY_BUDGET = 256 << 20
_MOST_SIZES_SHOWN = 10
# beyond this the labels alone, eight bytes each, take more memory than a point of any use leaves
_MOST_SAMPLES = 10**9


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
        K, y = _classes_and_labels(class_sizes, labels, classes)
        exact_tau = _exact_positive("tau", tau, "logits are tau * W.T @ H")
        exact_weights, omega = _weights(weights, y.size)
        values: dict[str, object] = {
            "classes": K,
            "dim": check_integer("dim", dim, 1),
            "tau": _as_float("tau", tau, exact_tau),
            "exact_tau": exact_tau,
            "labels": _read_only(y),
            "weights": _read_only(omega),
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
            object.__setattr__(self, name, _read_only(value) if isinstance(value, np.ndarray) else value)

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
        exact_tau = _exact_positive("tau", tau, "logits are tau * W.T @ H")
        return self._with(tau=_as_float("tau", tau, exact_tau), exact_tau=exact_tau)

    def to_pymanopt(self, *, derivatives: str = "closed-form", manifold: str = "oblique") -> pymanopt.Problem:
        """Return the problem as a ``pymanopt.Problem``; see :mod:`sphereufm.problem.pymanopt.to_pymanopt`."""
        from sphereufm.problem.pymanopt.to_pymanopt import to_pymanopt

        return to_pymanopt(self, derivatives=derivatives, manifold=manifold)

    def _with(self, **changes: object) -> UFMProblem:
        """Copy with some fields replaced; labels and weights are shared."""
        copy = object.__new__(UFMProblem)
        for name in UFMProblem.__dataclass_fields__:
            object.__setattr__(copy, name, changes.get(name, getattr(self, name)))
        return copy


def _classes_and_labels(
    class_sizes: Sequence[int] | None, labels: ArrayLike | None, classes: int | None
) -> tuple[int, NDArray[np.intp]]:
    """Check and combine the three ways to say which sample is of which class."""
    K = None if classes is None else check_integer("classes", classes, 1)
    sizes = None
    if class_sizes is not None:
        sizes = [check_integer("class_sizes entry", n, 0) for n in _sequence("class_sizes", class_sizes)]
        if sum(sizes) > _MOST_SAMPLES:
            raise InvalidInputError(
                f"class_sizes sum to {sum(sizes):.3g} samples; at most {_MOST_SAMPLES:.0e} are allowed"
            )
        if K is not None and len(sizes) != K:
            raise InvalidInputError(f"classes={K} contradicts class_sizes of {len(sizes)} entries")
        K = len(sizes)
    if labels is not None:
        y = check_labels("labels", labels, K)
        K = K if K is not None else int(y.max(initial=-1)) + 1
    elif sizes is not None:
        K = len(sizes)
        y = np.repeat(np.arange(K), sizes).astype(np.intp)
    else:
        raise InvalidInputError(
            "neither class_sizes nor labels was given; give one, e.g. class_sizes=(5, 5, 5)"
        )
    if y.size == 0:
        raise InvalidInputError("there is no sample; at least one class needs a positive size")
    assert K is not None
    if K < 2:
        raise InvalidInputError(f"classes={K} must be at least 2; with a single class the cost is constant")
    if labels is not None and sizes is not None and np.bincount(y, minlength=K).tolist() != sizes:
        counts = tuple(np.bincount(y, minlength=K).tolist())
        raise InvalidInputError(f"class_sizes={tuple(sizes)} contradicts labels, which count {counts}")
    return K, y


def _exact_positive(name: str, value: Number, remedy: str) -> Fraction:
    """Return the exact rational that a float, integer, text or fraction stands for."""
    try:
        if isinstance(value, bool):
            raise ValueError
        exact = Fraction(value if isinstance(value, (int, str, Fraction)) else float(value))
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        raise InvalidInputError(f"{name}={value!r} must be a finite positive number; {remedy}") from None
    if exact <= 0:
        raise InvalidInputError(f"{name}={value!r} must be positive; {remedy}")
    return exact


def _as_float(name: str, given: Number, exact: Fraction) -> float:
    """Return the nearest double of a positive rational, if it is neither zero nor infinite."""
    try:
        value = float(exact)
    except OverflowError:
        value = float("inf")
    if not 0.0 < value < float("inf"):
        raise InvalidInputError(
            f"{name}={given!r} is outside the range of double precision; logits are tau * W.T @ H"
        )
    return value


def _weights(weights: Iterable[Number] | None, samples: int) -> tuple[tuple[Fraction, ...] | None, Array]:
    """Exact relative weights (None when all are equal) and float weights that sum to one."""
    if weights is None:
        return None, np.full(samples, 1.0 / samples)
    remedy = "sample weights are relative and positive"
    exact = tuple(_exact_positive("weight", w, remedy) for w in _sequence("weights", weights))
    if len(exact) != samples:
        raise InvalidInputError(f"weights has length {len(exact)}, but there are {samples} samples")
    if len(set(exact)) == 1:
        return None, np.full(samples, 1.0 / samples)
    total = sum(exact)
    return exact, np.array([float(w / total) for w in exact])


def _sequence(name: str, values: Iterable[_Item]) -> list[_Item]:
    """Return the values as a list, refusing what holds none."""
    try:
        return list(values)
    except TypeError:
        raise InvalidInputError(f"{name}={values!r} must be a sequence with one entry each") from None


def _read_only(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the array, copied if it is somebody else's, with writing switched off."""
    array = array if array.base is None else array.copy()
    array.flags.writeable = False
    return array
