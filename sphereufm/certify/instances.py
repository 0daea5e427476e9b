"""Exact instances, what a certificate's theorems are about (docs/certificates.md, sections 3 and 6).

An instance is validated, and read for proofs, by the one reader of the format, the checker's.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from sphereufm.certify.checker.kernel import CheckError
from sphereufm.certify.checker.losses import LOSSES
from sphereufm.certify.checker.programs import is_convex_in_gram
from sphereufm.certify.checker.reading import Problem, read_problem
from sphereufm.certify.checker.words import canonical, fingerprint
from sphereufm.certify.exact import rational_text
from sphereufm.errors import InvalidInputError

# rows of offsets, one a class, beside numbers
Parameter: TypeAlias = Fraction | tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True, kw_only=True)
class ExactInstance:
    """An instance of a problem of normalised features, without any rounding.

    Raises InvalidInputError if a condition of ``docs/certificates.md``, section 3, is broken.

    Examples
    --------
    >>> instance = ExactInstance(classes=3, dim=2, class_sizes=(2, 1, 0), tau=Fraction(18, 5))
    >>> instance.label(1), instance.label(2)
    (0, 1)
    """

    classes: int  #: K
    dim: int  #: d
    class_sizes: tuple[int, ...] | None = None  #: of samples ordered by class; or None, and then
    labels: tuple[int, ...] | None = None  #: the label of each sample
    tau: Fraction  #: the factor of the logits; the largest, where samples have factors of their own
    rates: tuple[Fraction, ...] | None = None  #: ``tau_i / tau`` of each sample then
    weights: tuple[Fraction, ...] | None = None  #: relative, in sample order; None for equal ones
    loss: str = "cross-entropy"  #: its name in files
    parameters: tuple[tuple[str, Parameter], ...] = ()  #: those of the loss, by name
    bias: bool = False  #: whether one is added to the logits and minimised over

    def __post_init__(self) -> None:
        if self.class_sizes is not None and self.labels is not None:
            raise InvalidInputError("class_sizes and labels: exactly one of them must be given")
        self.problem  # noqa: B018  (reads, and refuses)

    @cached_property
    def problem(self) -> Problem:
        """The instance as the checker reads it."""
        return _read(self.to_json())

    def label(self, sample: int) -> int:
        """Return the class of a sample."""
        return self.problem.labels[sample]

    @property
    def sha256(self) -> str:
        """Hash of the canonical form of ``docs/certificates.md``, section 3.

        Examples
        --------
        >>> one = ExactInstance(classes=2, dim=3, class_sizes=(1, 1), tau=Fraction(1), weights=(Fraction(2),) * 2)
        >>> one.sha256 == ExactInstance(classes=2, dim=3, labels=(0, 1), tau=Fraction(2, 2)).sha256
        True
        """
        return fingerprint(canonical(self.problem))

    def to_json(self) -> dict[str, Any]:
        """The instance's object in a file."""
        samples = {"class_sizes": self.class_sizes, "labels": self.labels}
        parameters = {key: _text(value) for key, value in self.parameters}
        return {
            "kind": "ufm",
            "classes": self.classes,
            "dim": self.dim,
            **{key: list(value) for key, value in samples.items() if value is not None},
            "tau": _text(tuple(self.tau * rate for rate in self.rates) if self.rates else self.tau),
            "weights": None if self.weights is None else _text(self.weights),
            "loss": {"name": self.loss, **parameters} if parameters else self.loss,
            **({"bias": True} if self.bias else {}),
        }

    @classmethod
    def from_problem(cls, problem: Any) -> ExactInstance:
        """Return the exact instance of a problem of samples, such as a :class:`~sphereufm.UFMProblem`.

        Raises InvalidInputError if the loss has no proofs.
        """
        labels = [int(y) for y in problem.labels]
        ordered = all(a <= b for a, b in pairwise(labels))
        sizes = tuple(np.bincount(labels, minlength=problem.classes).tolist()) if ordered else None
        weights, rates = problem.exact_weights, problem.exact_rates
        loss, parameters = _loss_of(problem.loss)
        return cls(
            classes=int(problem.classes),
            dim=int(problem.dim),
            class_sizes=sizes,
            labels=None if ordered else tuple(labels),
            tau=Fraction(problem.exact_tau),
            rates=None if rates is None else tuple(map(Fraction, rates)),
            weights=None if weights is None else tuple(Fraction(w) for w in weights),
            loss=loss,
            parameters=parameters,
            bias=bool(problem.bias),
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
        self.problem  # noqa: B018  (reads, and refuses)

    @cached_property
    def problem(self) -> Problem:
        """The instance as the checker reads it."""
        return _read(self.to_json())

    @property
    def sha256(self) -> str:
        """Hash of the instance in the canonical form of ``docs/certificates.md``, section 6."""
        return fingerprint(canonical(self.problem))

    def to_json(self) -> dict[str, Any]:
        """The instance's object in a file."""
        program = [list(instruction) for instruction in self.program]
        return {"kind": "expression", "dim": self.dim, "columns": self.columns, "program": program}

    @property
    def is_orthogonally_invariant(self) -> bool:
        """Whether the program reads Gram entries only, so that its cost cannot see a rotation."""
        return self.problem.invariant

    @cached_property
    def is_convex_in_gram(self) -> bool:
        """Whether the checker's rules show that the cost is convex in the Gram matrix of its columns."""
        return is_convex_in_gram(self.problem.program)


Instance: TypeAlias = ExactInstance | ExpressionInstance


def _read(data: dict[str, Any]) -> Problem:
    """Read an instance's object as a file's."""
    try:
        return read_problem(data)
    except CheckError as error:
        raise InvalidInputError(f"no instance of docs/certificates.md: {error}") from error


def _text(value: Any) -> Any:
    """Numbers as text, tuples as lists."""
    return [_text(part) for part in value] if isinstance(value, tuple) else rational_text(Fraction(value))


def _loss_of(loss: Any) -> tuple[str, tuple[tuple[str, Parameter], ...]]:
    """Name and parameters of a loss in files; cross-entropy with a margin or offsets has names of its own there."""
    name = str(loss.name)
    found = {key: getattr(loss, key) for key in ("margin", "offsets") if name == "cross-entropy"}
    if found and found["offsets"] is not None:
        rows = tuple(row if isinstance(row, tuple) else (row,) for row in found["offsets"])
        return "logit-offsets", (("margin", Fraction(found["margin"])), ("offsets", rows))
    if found and found["margin"]:
        name = "cosine-margin"
    if name not in LOSSES:
        raise InvalidInputError(f"loss={name!r} has no proofs; losses with proofs are {', '.join(LOSSES)}")
    return name, tuple((key, Fraction(getattr(loss, key))) for key in LOSSES[name].parameters)
