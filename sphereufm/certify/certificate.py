"""Certificates as data: exact instances, points and claims.

A certificate states theorems about one explicit point, or about one instance; ``docs/certificates.md`` says
what each claim states. The types here hold exact numbers only (:class:`fractions.Fraction`). They carry no
status: whether a claim is PROVED is for the independent checker to say.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.certify.exact import parse_rational
from sphereufm.errors import InvalidInputError, check_integer

__all__ = [
    "BenignClaim",
    "Certificate",
    "Claim",
    "CollapsedClaim",
    "CriticalClaim",
    "DegenerateClaim",
    "ExactInstance",
    "ExactPoint",
    "ExpressionInstance",
    "GapClaim",
    "GlobalMinimumClaim",
    "IndexClaim",
    "ProofStatus",
    "RankOneClaim",
    "SpuriousClaim",
    "StrictSaddleClaim",
]

Groups = tuple[tuple[tuple[int, int], ...], ...]

LONGEST_PROGRAM = 20_000
# Arguments of an instruction that are numbers of earlier ones; "add" has two or more.
ARITY = {"sub": 2, "mul": 2, "div": 2, "neg": 1, "exp": 1, "log": 1, "sqrt": 1}


class ProofStatus(enum.Enum):
    """What a checker found out about a claim."""

    PROVED = "PROVED"
    REFUTED = "REFUTED"
    UNDECIDED = "UNDECIDED"


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
        ``"cross-entropy"``.

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

    @classmethod
    def from_problem(cls, problem: Any) -> ExactInstance:
        """Return the exact instance of a problem.

        Parameters
        ----------
        problem : object
            With ``classes``, ``dim``, ``labels``, ``exact_tau`` (Fraction), ``exact_weights`` (Fractions or None) and
            ``loss.name``.

        Raises
        ------
        InvalidInputError
            If the loss has no proofs.
        """
        labels = [int(y) for y in problem.labels]
        ordered = all(a <= b for a, b in pairwise(labels))
        sizes = tuple(np.bincount(labels, minlength=problem.classes).tolist()) if ordered else None
        weights = problem.exact_weights
        return cls(
            classes=int(problem.classes),
            dim=int(problem.dim),
            class_sizes=sizes,
            labels=None if ordered else tuple(labels),
            tau=Fraction(problem.exact_tau),
            weights=None if weights is None else tuple(Fraction(w) for w in weights),
            loss=str(problem.loss.name),
        )


@dataclass(frozen=True, kw_only=True)
class ExpressionInstance:
    """A cost written as a program over unit columns (``docs/certificates.md``, section 6).

    Attributes
    ----------
    dim, columns : int
        The unknowns are ``columns`` unit vectors of R^dim.
    program : tuple of instructions
        Each a tuple: name, then arguments. The cost is the value of the last one.

    Raises
    ------
    InvalidInputError
        If an instruction is unknown, or an argument is not a number of an earlier one.

    Examples
    --------
    >>> cut = ExpressionInstance(dim=2, columns=2, program=(("gram", 0, 1),))
    >>> cut.is_orthogonally_invariant
    True
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
    def is_orthogonally_invariant(self) -> bool:
        """Whether the program reads Gram entries only, so that its cost cannot see a rotation."""
        return all(instruction[0] != "x" for instruction in self.program)


@dataclass(frozen=True, kw_only=True)
class ExactPoint:
    """A point in its own R^r, columns of samples that share a feature stored once.

    Attributes
    ----------
    columns : tuple of tuple of Fraction
        ``K + g`` columns of r dyadic numbers: w_1 .. w_K, then one feature per group.
    groups : tuple of tuples of (start, stop), or None
        Samples of each group; None when every feature is its own sample.

    Examples
    --------
    >>> point = ExactPoint(columns=((Fraction(1),), (Fraction(-1),)))
    >>> point.rank, point.array.tolist()
    (1, [[1.0, -1.0]])
    """

    columns: tuple[tuple[Fraction, ...], ...]
    groups: Groups | None = None

    @property
    def rank(self) -> int:
        """Number of rows stored."""
        return len(self.columns[0])

    @property
    def array(self) -> NDArray[np.float64]:
        """The columns in floats, shape (r, K + g)."""
        return np.array([[float(x) for x in column] for column in self.columns]).T


@dataclass(frozen=True, kw_only=True)
class CriticalClaim:
    """An exact critical point lies within ``radius`` and is the only one, modulo O(r), within ``unique_radius``."""

    radius: Fraction
    unique_radius: Fraction


@dataclass(frozen=True, kw_only=True)
class RankOneClaim:
    """The point is a sign pattern, hence exactly critical."""


@dataclass(frozen=True, kw_only=True)
class IndexClaim:
    """The Morse index in R^d, with a kernel that is the orbit's tangent space and no more."""

    index: int


@dataclass(frozen=True, kw_only=True)
class StrictSaddleClaim:
    """Every critical point within ``radius`` has a Hessian eigenvalue below ``curvature`` (negative)."""

    radius: Fraction
    curvature: Fraction
    form: str
    direction: tuple[Any, ...] | None = None
    group: int | None = None


@dataclass(frozen=True, kw_only=True)
class GlobalMinimumClaim:
    """The critical point is a global minimiser in every dimension."""


@dataclass(frozen=True, kw_only=True)
class GapClaim:
    """The cost at the normalised point exceeds the minimum by at most ``gap`` nats."""

    gap: Fraction
    shifts: tuple[Fraction, ...]


@dataclass(frozen=True, kw_only=True)
class CollapsedClaim:
    """An exact member of the collapsed family, a strict saddle, lies within ``radius``."""

    radius: Fraction
    target: tuple[Fraction, ...]


@dataclass(frozen=True, kw_only=True)
class SpuriousClaim:
    """The critical point is a strict local minimiser, and ``lower_point`` lies lower by more than ``margin`` nats."""

    lower_point: ExactPoint
    margin: Fraction


@dataclass(frozen=True, kw_only=True)
class DegenerateClaim:
    """The stored point is critical, with a semidefinite Hessian; ``lower_point`` is lower by ``margin`` nats."""

    lower_point: ExactPoint
    margin: Fraction


@dataclass(frozen=True, kw_only=True)
class BenignClaim:
    """Theorem S applies: every critical point is a global minimiser or a strict saddle."""

    theorem: str = "S"
    basis: str = "BY_THEOREM"


Claim = (
    CriticalClaim
    | RankOneClaim
    | IndexClaim
    | StrictSaddleClaim
    | GlobalMinimumClaim
    | GapClaim
    | CollapsedClaim
    | SpuriousClaim
    | DegenerateClaim
    | BenignClaim
)


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What a certificate file holds. A candidate until a checker accepts it.

    Attributes
    ----------
    instance : ExactInstance or ExpressionInstance
    point : ExactPoint or None
        None for claims about the instance alone.
    claims : tuple of Claim
        Empty when the prover could not decide anything.
    precision : int or None
        Bits at which the prover succeeded; a hint.
    cost : float or None
        Cost at the point in nats, in floats; a hint.
    reason : str
        What was left undecided, and why.
    producer : tuple of str
        Name and version.

    Examples
    --------
    >>> instance = ExactInstance(classes=2, dim=3, class_sizes=(1, 1), tau=Fraction(1))
    >>> Certificate(instance=instance, point=None, claims=(BenignClaim(),)).find(BenignClaim)
    BenignClaim(theorem='S', basis='BY_THEOREM')
    """

    instance: ExactInstance | ExpressionInstance
    point: ExactPoint | None
    claims: tuple[Claim, ...]
    precision: int | None = None
    cost: float | None = None
    reason: str = ""
    producer: tuple[str, str] = ("sphereufm", "0")

    def __repr__(self) -> str:
        names = ", ".join(type(claim).__name__.removesuffix("Claim") for claim in self.claims) or "nothing"
        return f"<Certificate, not checked here, that claims {names}>"

    def find(self, kind: type[Any]) -> Any:
        """Return the claim of a given type, or None."""
        return next((claim for claim in self.claims if isinstance(claim, kind)), None)


def _check_instance(instance: ExactInstance) -> None:
    """Refuse what the format refuses."""
    sizes, labels, weights = instance.class_sizes, instance.labels, instance.weights
    if (sizes is None) == (labels is None):
        raise InvalidInputError("class_sizes and labels: exactly one of them must be given")
    _check_counts(instance.classes, sizes, labels)
    if instance.loss != "cross-entropy":
        raise InvalidInputError(
            f"loss={instance.loss!r} must be 'cross-entropy'; other losses have no proofs yet"
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
