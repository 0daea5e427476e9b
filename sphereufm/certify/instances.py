"""Exact instances, what a certificate's theorems are about (docs/certificates.md, sections 3 and 6)."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from sphereufm.certify.exact import parse_rational
from sphereufm.errors import InvalidInputError, check_integer

LONGEST_PROGRAM = 20_000
# losses with proofs, and their parameters in the order of files
LOSSES = {
    "cross-entropy": (),
    "cosine-margin": ("margin",),
    "label-smoothing": ("smoothing",),
    "focal": ("focusing",),
    "squared-error": ("own_weight", "target"),
    "logistic": (),
}
# Arguments of an instruction that are numbers of earlier ones; "add" has two or more.
ARITY = {"sub": 2, "mul": 2, "div": 2, "neg": 1, "exp": 1, "log": 1, "sqrt": 1}


@dataclass(frozen=True, kw_only=True)
class ExactInstance:
    """An instance of the cross-entropy problem, without any rounding.

    Attributes
    ----------
    classes, dim : int
        K and d.
    class_sizes : tuple of int or None
        Samples per class, samples ordered by class; or None, and then
    labels : tuple of int or None
        the label of each sample.
    tau : Fraction
        The factor of the logits.
    weights : tuple of Fraction or None
        Relative sample weights, in sample order; None for equal ones.
    loss : str
        Its name in files, such as ``"cross-entropy"``.
    parameters : tuple of (str, Fraction)
        Those of the loss, by name.

    Raises
    ------
    InvalidInputError
        If a condition of ``docs/certificates.md``, section 3, is broken.

    Examples
    --------
    >>> instance = ExactInstance(classes=3, dim=2, class_sizes=(2, 1, 0), tau=Fraction(18, 5))
    >>> instance.samples, instance.label(1), instance.label(2), instance.weight(0)
    (3, 0, 1, Fraction(1, 3))
    """

    classes: int
    dim: int
    class_sizes: tuple[int, ...] | None = None
    labels: tuple[int, ...] | None = None
    tau: Fraction
    weights: tuple[Fraction, ...] | None = None
    loss: str = "cross-entropy"
    parameters: tuple[tuple[str, Fraction], ...] = ()
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _total: Fraction = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_integer("classes", self.classes, 1)
        check_integer("dim", self.dim, 1)
        _check_instance(self)
        starts = tuple(accumulate(self.class_sizes or (), initial=0))
        object.__setattr__(self, "_starts", starts)
        total = Fraction(self.samples) if self.weights is None else sum(self.weights, Fraction(0))
        object.__setattr__(self, "_total", total)

    @property
    def samples(self) -> int:
        """N, the number of samples."""
        return sum(self.class_sizes) if self.class_sizes is not None else len(self.labels or ())

    def label(self, sample: int) -> int:
        """Return the class of a sample."""
        if self.labels is not None:
            return self.labels[sample]
        return bisect_right(self._starts, sample) - 1

    def weight(self, sample: int) -> Fraction:
        """Return the normalised weight ``omega`` of a sample; all of them sum to one."""
        relative = Fraction(1) if self.weights is None else self.weights[sample]
        return relative / self._total

    def is_uniform(self, start: int, stop: int) -> bool:
        """Tell whether samples ``start .. stop - 1`` share one label and one weight."""
        if self.class_sizes is not None and self.weights is None:
            return self.label(start) == self.label(stop - 1)
        first = (self.label(start), self.weight(start))
        return all((self.label(i), self.weight(i)) == first for i in range(start + 1, stop))

    @property
    def sha256(self) -> str:
        """Hash of the instance in the canonical form of ``docs/certificates.md``, section 3.

        Examples
        --------
        >>> one = ExactInstance(classes=2, dim=3, class_sizes=(1, 1), tau=Fraction(1), weights=(Fraction(2),) * 2)
        >>> one.sha256 == ExactInstance(classes=2, dim=3, labels=(0, 1), tau=Fraction(2, 2)).sha256
        True
        """
        labels = self.labels
        ordered = labels is None or all(a <= b for a, b in pairwise(labels))
        sizes = self.class_sizes
        if labels is not None:
            sizes = tuple(np.bincount(labels, minlength=self.classes).tolist())
        weights = self.weights
        if weights is not None and len(set(weights)) == 1:
            weights = None
        return _hash(
            {
                "kind": "ufm",
                "classes": self.classes,
                "dim": self.dim,
                "class_sizes": sizes,
                "labels": None if ordered else labels,
                "tau": str(self.tau),
                "weights": None if weights is None else [str(w / weights[0]) for w in weights],
                "loss": [self.loss, *(str(x) for _, x in self.parameters)] if self.parameters else self.loss,
            }
        )

    @classmethod
    def from_problem(cls, problem: Any) -> ExactInstance:
        """Return the exact instance of a problem.

        Parameters
        ----------
        problem : object
            With ``classes``, ``dim``, ``labels``, ``exact_tau`` (Fraction), ``exact_weights`` (Fractions or None) and
            ``loss`` with a ``name`` and its parameters as attributes.

        Raises
        ------
        InvalidInputError
            If the loss has no proofs.
        """
        labels = [int(y) for y in problem.labels]
        ordered = all(a <= b for a, b in pairwise(labels))
        sizes = tuple(np.bincount(labels, minlength=problem.classes).tolist()) if ordered else None
        weights = problem.exact_weights
        loss, parameters = _loss_of(problem.loss)
        return cls(
            classes=int(problem.classes),
            dim=int(problem.dim),
            class_sizes=sizes,
            labels=None if ordered else tuple(labels),
            tau=Fraction(problem.exact_tau),
            weights=None if weights is None else tuple(Fraction(w) for w in weights),
            loss=loss,
            parameters=parameters,
        )


@dataclass(frozen=True, kw_only=True)
class ExpressionInstance:
    """A cost written as a program over unit columns (``docs/certificates.md``, section 6).

    ``dim`` and ``columns``: the unknowns are ``columns`` unit vectors of R^dim.  ``program``: each a tuple:
    name, then arguments.  The cost is the value of the last one.  Raises InvalidInputError if an instruction
    is unknown, or an argument is not a number of an earlier one.
    """

    dim: int
    columns: int
    program: tuple[tuple[Any, ...], ...]

    def __post_init__(self) -> None:
        check_integer("dim", self.dim, 1)
        check_integer("columns", self.columns, 1)
        if not 1 <= len(self.program) <= LONGEST_PROGRAM:
            raise InvalidInputError(
                f"program has {len(self.program)} instructions; 1 to {LONGEST_PROGRAM} are allowed"
            )
        for t, instruction in enumerate(self.program):
            if not _is_instruction(instruction, t, self.dim, self.columns):
                raise InvalidInputError(
                    f"instruction {t}={str(instruction)[:60]} is not of docs/certificates.md, section 6"
                )

    @property
    def sha256(self) -> str:
        """Hash of the instance in the canonical form of ``docs/certificates.md``, section 6."""
        program = [
            ["const", str(parse_rational(step[1]))] if step[0] == "const" else list(step)
            for step in self.program
        ]
        return _hash({"kind": "expression", "dim": self.dim, "columns": self.columns, "program": program})

    @property
    def is_orthogonally_invariant(self) -> bool:
        """Whether the program reads Gram entries only, so that its cost cannot see a rotation."""
        return all(instruction[0] != "x" for instruction in self.program)

    @cached_property
    def is_convex_in_gram(self) -> bool:
        """Whether the checker's rules show that the cost is convex in the Gram matrix of its columns."""
        from sphereufm.certify.checker.theorems import is_convex_in_gram

        return is_convex_in_gram(self.program)


def _loss_of(loss: Any) -> tuple[str, tuple[tuple[str, Fraction], ...]]:
    """Name and parameters of a loss in files; cross-entropy with a margin has a name of its own there."""
    name = str(loss.name)
    if name == "cross-entropy":
        if getattr(loss, "offsets", None) is not None:
            raise InvalidInputError("offsets of the logits have no proofs yet")
        name = "cosine-margin" if getattr(loss, "margin", 0) else name
    parameters = LOSSES.get(name, ())
    return name, tuple((key, Fraction(getattr(loss, key))) for key in parameters)


def _hash(data: dict[str, Any]) -> str:
    """SHA-256 of JSON with sorted keys and no blanks."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _check_instance(instance: ExactInstance) -> None:
    """Refuse what the format refuses."""
    sizes, labels, weights = instance.class_sizes, instance.labels, instance.weights
    if (sizes is None) == (labels is None):
        raise InvalidInputError("class_sizes and labels: exactly one of them must be given")
    _check_counts(instance.classes, sizes, labels)
    names = LOSSES.get(instance.loss)
    if names is None or tuple(name for name, _ in instance.parameters) != names:
        raise InvalidInputError(
            f"loss={instance.loss!r} must be one of {', '.join(LOSSES)}, with its parameters"
        )
    if instance.tau <= 0:
        raise InvalidInputError(f"tau={instance.tau} must be positive; logits are tau * W.T @ H")
    if weights is not None and (len(weights) != instance.samples or min(weights) <= 0):
        raise InvalidInputError(f"weights must be {instance.samples} positive numbers, one per sample")


def _check_counts(classes: int, sizes: Sequence[int] | None, labels: Sequence[int] | None) -> None:
    """Check class sizes or labels against K."""
    if sizes is not None and (len(sizes) != classes or min(sizes) < 0 or sum(sizes) < 1):
        raise InvalidInputError(f"class_sizes must be {classes} numbers >= 0, with at least one sample")
    if labels is not None and (not labels or min(labels) < 0 or max(labels) >= classes):
        raise InvalidInputError(f"labels must be at least one number in 0 .. {classes - 1}")


def _is_instruction(instruction: Sequence[Any], t: int, dim: int, columns: int) -> bool:
    """Tell whether instruction number t is one that the format has."""
    name, arguments = (instruction[0], instruction[1:]) if instruction else ("", ())
    if name == "const":
        return (
            len(arguments) == 1 and isinstance(arguments[0], str) and parse_rational(arguments[0]) is not None
        )
    if any(isinstance(a, bool) or not isinstance(a, int) or a < 0 for a in arguments):
        return False
    if name in ("x", "gram"):
        rows = dim if name == "x" else columns
        return len(arguments) == 2 and arguments[0] < rows and arguments[1] < columns
    if name == "pow":
        return len(arguments) == 2 and arguments[0] < t and 2 <= arguments[1] <= 64
    count_fits = len(arguments) >= 2 if name == "add" else ARITY.get(name) == len(arguments)
    return count_fits and all(a < t for a in arguments)
