"""Write a cost of unit columns as an expression, so that its proofs can be carried and re-checked.

    cost = Cost(dim=3, columns=4)
    energy = sum(1 / sqrt(2 - 2 * cost.gram(i, j)) for i in range(4) for j in range(i))
    instance = cost.instance(energy)

The terms record a program of ``docs/certificates.md``, section 6; equal instructions are recorded once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from numbers import Integral
from typing import Any, TypeAlias

from sphereufm.certify.exact import rational_text
from sphereufm.certify.instances import ExpressionInstance
from sphereufm.errors import InvalidInputError, check_integer, read_fraction

# 2^d minors of d columns
_LARGEST_DET = 11
Number: TypeAlias = int | Fraction | str


class Cost:
    """Records the instructions of one cost over M unit columns of R^d.

    Parameters
    ----------
    dim, columns : int
        d and M.

    Examples
    --------
    >>> cost = Cost(dim=2, columns=2)
    >>> cost.instance(exp(3 * cost.gram(0, 1))).program
    (('gram', 0, 1), ('const', '3'), ('mul', 1, 0), ('exp', 2))
    """

    def __init__(self, *, dim: int, columns: int) -> None:
        self.dim = check_integer("dim", dim, 1)
        self.columns = check_integer("columns", columns, 1)
        self._numbers: dict[tuple[Any, ...], int] = {}

    def gram(self, i: int, j: int) -> Term:
        """Return ``<x_i, x_j>``. A cost of these alone is invariant under O(d)."""
        return self.record("gram", i, j)

    def x(self, i: int, j: int) -> Term:
        """Return the entry of row i and column j."""
        return self.record("x", i, j)

    def det(self, *columns: int) -> Term:
        """Return the signed volume of d columns, written in entries: rotations leave it alone, reflections do not."""
        if len(columns) != self.dim:
            raise InvalidInputError(f"det has {len(columns)} columns; in R^{self.dim} it needs {self.dim}")
        if len(columns) > _LARGEST_DET:
            raise InvalidInputError(
                f"det of {len(columns)} columns must have at most {_LARGEST_DET}: 2^d minors"
            )
        # minors of the last rows, each once
        minors: dict[tuple[int, ...], Term] = {(j,): self.x(self.dim - 1, j) for j in columns}
        for size in range(2, self.dim + 1):
            minors = {
                chosen: self._expanded(self.dim - size, chosen, minors)
                for chosen in combinations(columns, size)
            }
        return minors[columns]

    def _expanded(self, row: int, columns: tuple[int, ...], minors: Mapping[tuple[int, ...], Term]) -> Term:
        """Determinant of the rows from ``row`` on, expanded along the first."""
        parts = [self.x(row, j) * minors[columns[:k] + columns[k + 1 :]] for k, j in enumerate(columns)]
        return self.record("add", *(p.number if k % 2 == 0 else (-p).number for k, p in enumerate(parts)))

    def constant(self, value: Number) -> Term:
        """Return an exact rational; floats are refused since their digits are rarely meant."""
        return self.record("const", rational_text(_exact(value)))

    def record(self, *instruction: Any) -> Term:
        """Record an instruction, unless it is there, and return its value."""
        # NumPy's integers are taken as Python's, which files can hold
        instruction = tuple(int(part) if isinstance(part, Integral) else part for part in instruction)
        return Term(self, self._numbers.setdefault(instruction, len(self._numbers)))

    def instance(self, term: Term) -> ExpressionInstance:
        """Return the instance whose cost is ``term``; instructions that it does not use are left out."""
        if not isinstance(term, Term) or term.cost is not self:
            raise InvalidInputError(f"term={term!r} must be made of gram(i, j) and x(i, j) of this Cost")
        recorded = tuple(self._numbers)
        needed = {term.number}
        for number in range(term.number, -1, -1):
            if number in needed:
                needed.update(recorded[number][1 : 1 + _arity(recorded[number])])
        places = {number: place for place, number in enumerate(sorted(needed))}
        program = tuple(_moved(recorded[number], places) for number in places)
        return ExpressionInstance(dim=self.dim, columns=self.columns, program=program)


class Term:
    """One value of a cost, with ``+ - * / **`` and the functions :func:`exp`, :func:`log`, :func:`sqrt`."""

    def __init__(self, cost: Cost, number: int) -> None:
        self.cost = cost
        self.number = number

    def _with(self, name: str, other: Term | Number, swapped: bool = False) -> Term:
        """Combine with another value of the same cost, or with a number."""
        right = other if isinstance(other, Term) else self.cost.constant(other)
        if right.cost is not self.cost:
            raise InvalidInputError("the terms belong to two different costs; build them from one Cost")
        pair = (right.number, self.number) if swapped else (self.number, right.number)
        return self.cost.record(name, *pair)

    def __add__(self, other: Term | Number) -> Term:
        return self if isinstance(other, int) and other == 0 else self._with("add", other)

    def __sub__(self, other: Term | Number) -> Term:
        return self._with("sub", other)

    def __mul__(self, other: Term | Number) -> Term:
        return self._with("mul", other)

    def __truediv__(self, other: Term | Number) -> Term:
        return self._with("div", other)

    def __rsub__(self, other: Number) -> Term:
        return self._with("sub", other, swapped=True)

    def __rtruediv__(self, other: Number) -> Term:
        return self._with("div", other, swapped=True)

    __radd__ = __add__

    def __rmul__(self, other: Number) -> Term:
        return self._with("mul", other, swapped=True)

    def __pow__(self, n: int) -> Term:
        if not isinstance(n, Integral) or not 2 <= n <= 64:
            raise InvalidInputError(f"power={n} must be an integer of 2 .. 64")
        return self.cost.record("pow", self.number, n)

    def __neg__(self) -> Term:
        return self.cost.record("neg", self.number)


def _function(name: str, term: Term) -> Term:
    if not isinstance(term, Term):
        raise InvalidInputError(
            f"{name}({term!r}) must be of a term; write {name}(cost.constant(2)) for a number"
        )
    return term.cost.record(name, term.number)


def exp(term: Term) -> Term:
    """Return the exponential."""
    return _function("exp", term)


def log(term: Term) -> Term:
    """Return the natural logarithm; a proof needs its argument to be proved positive."""
    return _function("log", term)


def sqrt(term: Term) -> Term:
    """Return the square root; a proof needs its argument to be proved positive."""
    return _function("sqrt", term)


def _exact(value: Number) -> Fraction:
    try:
        if isinstance(value, bool) or not isinstance(value, Integral | Fraction | str):
            raise ValueError
        if isinstance(value, str):
            value = read_fraction(value)
        return Fraction(int(value.numerator), int(value.denominator))
    except (ValueError, ZeroDivisionError):
        raise InvalidInputError(
            f"constant={value!r} must be an integer, a Fraction or text such as '1/3'"
        ) from None


def max_cut(weights: Sequence[Sequence[Number]], dim: int) -> ExpressionInstance:
    """Return the rank-d relaxation of max-cut, ``sum_{i<j} A_ij <x_i, x_j>`` with exact weights ``A_ij``.

    ``weights``, shape ``(M, M)``: symmetric; the upper triangle is read.

    References
    ----------
    S. Burer, R. Monteiro, *A nonlinear programming algorithm for solving semidefinite programs via low-rank
    factorization*, 2003.
    """
    M = len(weights)
    if {*map(len, weights)} - {M}:
        raise InvalidInputError(f"weights must have {M} rows of {M} entries")
    cost = Cost(dim=dim, columns=M)
    edges = {(i, j): _exact(weights[i][j]) for i, j in combinations(range(M), 2)}
    return cost.instance(added([weight * cost.gram(i, j) for (i, j), weight in edges.items() if weight]))


def thomson(columns: int, dim: int = 3) -> ExpressionInstance:
    """Return the Thomson problem: ``sum_{i<j} 1 / |x_i - x_j|``, the energy of equal charges on a sphere."""
    cost = Cost(dim=dim, columns=columns)
    pairs = combinations(range(columns), 2)
    return cost.instance(added([1 / sqrt(2 - 2 * cost.gram(i, j)) for i, j in pairs]))


def fourth_powers(dim: int) -> ExpressionInstance:
    """Return ``-sum_i x_i^4`` of one unit vector: minimisers at the axes, ``3^d - 1`` critical points."""
    cost = Cost(dim=dim, columns=1)
    return cost.instance(-added([cost.x(i, 0) ** 4 for i in range(dim)]))


def _arity(instruction: tuple[Any, ...]) -> int:
    """How many of its operands, the first ones, are values of earlier instructions."""
    return {"const": 0, "x": 0, "gram": 0, "pow": 1}.get(instruction[0], len(instruction) - 1)


def _moved(instruction: tuple[Any, ...], places: Mapping[int, int]) -> tuple[Any, ...]:
    """The same instruction where its operands have other places."""
    end = 1 + _arity(instruction)
    return (instruction[0], *[places[t] for t in instruction[1:end]], *instruction[end:])


def added(parts: Sequence[Any]) -> Any:
    """Return one sum of terms and numbers, the terms in one instruction; numbers alone add up to a number."""
    terms = [part for part in parts if isinstance(part, Term)]
    number = sum((part for part in parts if not isinstance(part, Term)), Fraction(0))
    if not terms:
        return number
    whole = terms[0] if len(terms) == 1 else terms[0].cost.record("add", *[term.number for term in terms])
    return whole + number if number else whole
