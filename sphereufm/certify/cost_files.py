"""Costs written in files: a TOML table with one expression, read without running any code of it.

    dim = 3
    columns = 6
    cost = "sum(w[i][j] * gram(i, j) for i in range(6) for j in range(i))"
    symmetry = "none"                # or "columns" (any permutation), "rotations" (SO(d)), "rotations and columns"
    name = "max-cut of the octahedron"
    [constants]
    w = [[0, "1/2"], ["1/2", 0]]

All of O(d) is seen by form: a cost of ``gram(i, j)`` alone has it.  Numbers are integers or text such as "1/3";
decimal numbers in the expression are taken as they are written, exactly.
"""

from __future__ import annotations

import ast
import operator
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from sphereufm.certify.expressions import Cost, Term, added, exp, log, sqrt
from sphereufm.certify.instances import ExpressionInstance
from sphereufm.errors import InvalidInputError, UnreadableFileError, one_of, read_fraction

_KEYS = {"dim", "columns", "cost", "symmetry", "name", "unit", "constants"}
_SYMMETRIES = ("none", "columns", "rotations", "rotations and columns")
_LONGEST = 100_000
_MOST_TURNS = 100_000
# bits of a number that a power of numbers may have
_MOST_BITS = 10_000
_BINARY: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: Mapping[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FUNCTIONS = {"exp": exp, "log": log, "sqrt": sqrt}


@dataclass(frozen=True, kw_only=True)
class CostFile:
    """What a file says.

    ``symmetry``: what is declared: every permutation of the columns, SO(d), both, or ``"none"``.
    """

    instance: ExpressionInstance
    symmetry: str
    name: str
    unit: str


def read_cost(path: Path, constants: Mapping[str, float] | None = None) -> CostFile:
    r"""Read a cost from a TOML file.

    Raises UnreadableFileError if the file is missing or no TOML; InvalidInputError if a key is missing or
    unknown, or the expression has something else than numbers, ``gram``, ``x``, ``det``, ``exp``, ``log``,
    ``sqrt``, ``sum``, ``+ - * / **`` and the names of constants and loops.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=str)
    except (OSError, ValueError) as error:
        raise UnreadableFileError(f"{path} cannot be read as TOML: {error}") from error
    unknown = sorted(set(data) - _KEYS)
    if unknown or not {"dim", "columns", "cost"} <= set(data):
        raise InvalidInputError(
            f"{path} has the keys {', '.join(sorted(data)) or 'none'}; dim, columns and cost are needed, and "
            f"{', '.join(sorted(_KEYS - {'dim', 'columns', 'cost'}))} are allowed"
        )
    symmetry = data.get("symmetry", "none")
    if symmetry not in _SYMMETRIES:
        raise InvalidInputError(f"symmetry={symmetry!r} must be {one_of(symmetry, _SYMMETRIES)}")
    cost = Cost(dim=data["dim"], columns=data["columns"])
    known = data.get("constants", {})
    if not isinstance(known, dict):
        raise InvalidInputError(f"constants={str(known)[:60]} must be a table of names and numbers")
    if constants and not constants.keys() <= known.keys():
        raise InvalidInputError(
            f"{path} has the constants {', '.join(known) or 'none'}, not {', '.join(constants)}"
        )
    term = _Reader(cost, {**known, **(constants or {})}).term(data["cost"])
    return CostFile(
        instance=cost.instance(term),
        symmetry=symmetry,
        name=str(data.get("name", path.stem.encode(errors="replace").decode())),
        unit=str(data.get("unit", "")),
    )


class _Reader:
    """Traverses the tree of one expression; whatever it does not know it refuses."""

    def __init__(self, cost: Cost, constants: Mapping[str, Any]) -> None:
        self.cost = cost
        self.names = {name: _exact(name, value) for name, value in constants.items()}
        self.turns = 0
        self.decimals: dict[int, Fraction] = {}

    def term(self, text: Any) -> Term:
        """The cost of a text."""
        if not isinstance(text, str) or len(text) > _LONGEST:
            raise InvalidInputError(f"cost must be a text of at most {_LONGEST} characters")
        # in parentheses a cost may have several lines
        source = f"(\n{text}\n)".replace("\r", "\n")
        try:
            tree = ast.parse(source, mode="eval")
            self._read_decimals(tree, source.encode().split(b"\n"))
            value = self.value(tree.body, self.names)
        except InvalidInputError:
            raise
        except (
            ValueError,
            SyntaxError,
            ArithmeticError,
            MemoryError,
            RecursionError,
            IndexError,
            TypeError,
        ) as error:
            raise InvalidInputError(f"cost={text[:60]!r} cannot be read: {error}") from error
        if not isinstance(value, Term):
            raise InvalidInputError(f"cost={text[:60]!r} is constant; it needs gram(i, j) or x(i, j)")
        return value

    def _read_decimals(self, tree: ast.AST, lines: list[bytes]) -> None:
        """Keep every decimal number as it is written: the tree holds floats, which are rounded."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and type(node.value) is float:
                line = lines[node.lineno - 1]
                self.decimals[id(node)] = read_fraction(line[node.col_offset : node.end_col_offset].decode())

    def value(self, node: ast.expr, names: Mapping[str, Any]) -> Any:
        """Value of a node: a term, a number, or a list of them."""
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return self.decimals.get(id(node)) or Fraction(str(node.value))
        if isinstance(node, ast.Name) and node.id in names:
            return names[node.id]
        if isinstance(node, ast.BinOp):
            return self._binary(node, names)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            inner = self.value(node.operand, names)
            return -inner if isinstance(node.op, ast.USub) else inner
        if isinstance(node, ast.Subscript):
            return self._entry(node, names)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return self._call(node.func.id, node.args, names)
        raise _refused(node)

    def _entry(self, node: ast.Subscript, names: Mapping[str, Any]) -> Any:
        """An entry of a list."""
        entries, place = self.value(node.value, names), self._index(node.slice, names)
        if not isinstance(entries, list) or place >= len(entries):
            size = f"a list of {len(entries)}" if isinstance(entries, list) else "no list"
            raise InvalidInputError(f"{ast.unparse(node)[:60]}: {ast.unparse(node.value)[:60]} is {size}")
        return entries[place]

    def _binary(self, node: ast.BinOp, names: Mapping[str, Any]) -> Any:
        """Sum, difference, product, quotient or power."""
        left, right = self.value(node.left, names), self.value(node.right, names)
        if isinstance(left, list) or isinstance(right, list):
            raise InvalidInputError(f"{ast.unparse(node)[:60]} has a list where a number must be")
        if isinstance(node.op, ast.Pow):
            if not isinstance(right, Fraction) or right.denominator != 1 or not 0 <= right <= 64:
                raise InvalidInputError(f"{ast.unparse(node)[:60]}: a power must be an integer of 0 .. 64")
            n = int(right)
            if isinstance(left, Fraction):
                if n * max(left.numerator.bit_length(), left.denominator.bit_length()) > _MOST_BITS:
                    raise InvalidInputError(
                        f"{ast.unparse(node)[:60]} has more than {_MOST_BITS} binary digits"
                    )
                return left**n
            return left**n if n > 1 else (left if n else Fraction(1))
        if type(node.op) not in _BINARY:
            raise _refused(node)
        return _BINARY[type(node.op)](left, right)

    def _call(self, name: str, arguments: list[ast.expr], names: Mapping[str, Any]) -> Any:
        """A function of the language."""
        if name in ("gram", "x") and len(arguments) == 2:
            i, j = (self._index(a, names) for a in arguments)
            return self.cost.gram(i, j) if name == "gram" else self.cost.x(i, j)
        if name == "det":
            return self.cost.det(*(self._index(a, names) for a in arguments))
        if name in _FUNCTIONS and len(arguments) == 1:
            inner = self.value(arguments[0], names)
            return _FUNCTIONS[name](inner if isinstance(inner, Term) else self.cost.constant(inner))
        if name == "sum" and len(arguments) == 1 and isinstance(arguments[0], ast.GeneratorExp):
            loop = arguments[0]
            parts = [self.value(loop.elt, inner) for inner in self._loops(loop.generators, names)]
            return added(parts)
        raise InvalidInputError(f"{name} with {len(arguments)} arguments is not of the language of costs")

    def _loops(self, loops: list[ast.comprehension], names: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Names of every turn of nested loops over ``range``."""
        if not loops:
            yield names
            return
        loop, *inner = loops
        call = loop.iter
        ranged = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "range"
        if not (ranged and isinstance(loop.target, ast.Name)):
            raise _refused(call)
        assert isinstance(call, ast.Call)
        for number in range(*(self._index(a, names) for a in call.args)):
            self.turns += 1
            if self.turns > _MOST_TURNS:
                raise InvalidInputError(f"the loops of the cost make more than {_MOST_TURNS} turns")
            turn = {**names, loop.target.id: Fraction(number)}
            if all(self._holds(condition, turn) for condition in loop.ifs):
                yield from self._loops(inner, turn)

    def _holds(self, node: ast.expr, names: Mapping[str, Any]) -> bool:
        """Whether a comparison of two numbers holds."""
        if not isinstance(node, ast.Compare) or len(node.ops) != 1 or type(node.ops[0]) not in _COMPARISONS:
            raise _refused(node)
        left, right = self.value(node.left, names), self.value(node.comparators[0], names)
        if not (isinstance(left, Fraction) and isinstance(right, Fraction)):
            raise _refused(node)
        return _COMPARISONS[type(node.ops[0])](left, right)

    def _index(self, node: ast.expr, names: Mapping[str, Any]) -> int:
        """A whole number."""
        value = self.value(node, names)
        if not isinstance(value, Fraction) or value.denominator != 1 or value < 0:
            raise InvalidInputError(f"{ast.unparse(node)[:60]} must be a whole number >= 0")
        return int(value)


def _exact(name: str, value: Any) -> Any:
    """A constant as exact numbers, lists included."""
    if isinstance(value, list):
        return [_exact(name, entry) for entry in value]
    try:
        if isinstance(value, bool):
            raise ValueError
        return read_fraction(str(value))
    except (ValueError, TypeError, ZeroDivisionError):
        raise InvalidInputError(f"constant {name}={value!r} must be a number or text such as '1/3'") from None


def _refused(node: ast.AST) -> InvalidInputError:
    """What is said of a part that the language does not have."""
    return InvalidInputError(f"{ast.unparse(node)[:60]} is not of the language of costs")
