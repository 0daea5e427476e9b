"""Reading a certificate: strict JSON, exact numbers, and for each place the keys that it must have.

A reader takes a value and its place, and returns what it read or refuses the file.  Sizes are tested before anything
is built; nothing is echoed at length.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import stat
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from sphereufm.certify.checker.arithmetic import CheckError
from sphereufm.certify.checker.kernel import Witness
from sphereufm.certify.checker.losses import ARITY, LOSSES

FORMAT = "sphereufm-certificate/2"
LARGEST_FILE = 1 << 24
LARGEST_WITNESS = 1500
# a number holds as many bits as its exponent says: 2^30 of them are 128 MiB
EXPONENTS = re.compile(r"@-?([0-9]{3,5})\"")
MOST_BITS = 1 << 30
ESCAPED = re.compile(r"\\u00(?:3[0-9]|40)")
NUMBER = re.compile(r"(-?[0-9]{1,200})(?:/([0-9]{1,60})|@(-?[0-9]{1,5}))?")
# strings are passed over, also one that is never closed: no backtracking
TOKENS = re.compile(r'"(?:[^"\\]|\\.|\\\Z)*(?:"|\Z)|[\[\]{}]', re.DOTALL)

Reader = Callable[[Any, str], Any]


def refuse_if(condition: object, message: str) -> None:
    """Refuse the file."""
    if condition:
        raise CheckError(message)


def read_file(path: str | Path) -> bytes:
    """Content of a regular file, at most one byte more than is allowed."""
    try:
        # a pipe to which nobody writes must not keep us waiting
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            refuse_if(not stat.S_ISREG(os.fstat(file.fileno()).st_mode), "cannot be read: not a regular file")
            return file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise CheckError(f"cannot be read: {error.strerror}") from None


def read_json(data: bytes) -> Any:
    """JSON with the format's own limits, which are tested before anything is built."""
    refuse_if(len(data) > LARGEST_FILE, f"the file is larger than {LARGEST_FILE} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise CheckError("the file is not UTF-8") from None
    refuse_if(ESCAPED.search(text), "digits and @ must not be escaped")
    refuse_if(sum(map(int, EXPONENTS.findall(text))) > MOST_BITS, "exponents that would fill the memory")
    depth = 0
    for bracket in TOKENS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(bracket[0], 0)
        refuse_if(depth > 10, "nesting deeper than 10 levels")

    def whole(digits: str) -> int:
        refuse_if(len(digits.lstrip("-")) > 9, "an integer of more than 9 digits")
        return int(digits)

    def refuse(word: str) -> Any:
        raise CheckError(f"the number {word[:20]} is not an integer; numbers are text")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        refuse_if(len(dict(pairs)) != len(pairs), "a key occurs twice in one object")
        return dict(pairs)

    parsers: dict[str, Any] = {"parse_int": whole, "parse_float": refuse, "parse_constant": refuse}
    try:
        return json.loads(text, object_pairs_hook=once, **parsers)
    except (json.JSONDecodeError, RecursionError) as error:
        raise CheckError(f"not JSON: {error}") from None


def record(
    value: Any, where: str, fields: dict[str, Reader], optional: dict[str, Reader] | None = None
) -> Any:
    """An object with exactly these keys, each read by its reader."""
    refuse_if(not isinstance(value, dict), f"{where} must be an object")
    readers = {**fields, **(optional or {})}
    missing, extra = sorted(fields.keys() - value.keys()), sorted(value.keys() - readers.keys())
    refuse_if(missing, f"{where} lacks {', '.join(missing)}")
    refuse_if(extra, f"{where} has the unknown key {extra[0][:40]!r}" if extra else "")
    return {name: readers[name](item, f"{where}.{name}") for name, item in value.items()}


def anything(value: Any, where: str) -> Any:
    """A value that is read later."""
    return value


def text(longest: int) -> Reader:
    """A short text."""

    def read(value: Any, where: str) -> str:
        wrong = not isinstance(value, str) or len(value) > longest
        refuse_if(wrong, f"{where} must be a text, at most {longest} long")
        return str(value)

    return read


def one_of(*words: str) -> Reader:
    """One of a few words."""

    def read(value: Any, where: str) -> str:
        refuse_if(not isinstance(value, str) or value not in words, f"{where} must be {' or '.join(words)}")
        return str(value)

    return read


def integer(low: int, high: int = 10**9) -> Reader:
    """An integer in a range; true is not 1."""

    def read(value: Any, where: str) -> int:
        wrong = type(value) is not int or not low <= value <= high
        refuse_if(wrong, f"{where} must be an integer, {low} .. {high}")
        return int(value)

    return read


def listing(item: Reader, length: int | None = None) -> Reader:
    """A list, of a given length."""

    def read(value: Any, where: str) -> list[Any]:
        refuse_if(not isinstance(value, list), f"{where} must be a list")
        refuse_if(length is not None and len(value) != length, f"{where} must have {length} entries")
        return [item(x, where) for x in value]

    return read


def maybe(item: Reader) -> Reader:
    """Null, or a value."""
    return lambda value, where: None if value is None else item(value, where)


def number(allowed: str = "-0+") -> Reader:
    """An exact number ``p``, ``p/q`` or ``m@e`` (which is m 2^e), of an allowed sign."""

    def read(value: Any, where: str) -> Fraction:
        match = NUMBER.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise CheckError(f"{where} must be an exact number such as 18/5 or 3@-4")
        top, bottom, power = int(match[1]), int(match[2] or "1"), int(match[3] or "0")
        refuse_if(bottom == 0, f"{where} has the denominator zero")
        refuse_if(abs(power) > 16000, f"{where} has an exponent beyond 16000")
        refuse_if("0+-"[(top > 0) - (top < 0)] not in allowed, f"{where} has the wrong sign")
        return Fraction(top << max(power, 0), bottom << max(-power, 0))

    return read


def witness(value: Any, where: str) -> Witness:
    """A matrix T with its E: ``[minus, bytes, exponents, columns]``, columns big-endian integers in base64."""
    refuse_if(
        not isinstance(value, list) or len(value) != 4, f"{where} must be [minus, bytes, exponents, columns]"
    )
    width = integer(1, 256)(value[1], where)
    exponents = listing(integer(-16000, 16000))(value[2], where)
    n = len(exponents)
    refuse_if(n > LARGEST_WITNESS, f"{where} has more than {LARGEST_WITNESS} columns")
    minus = integer(0, n)(value[0], where)
    try:
        data = base64.b64decode(text(LARGEST_FILE)(value[3], where), validate=True)
    except (binascii.Error, ValueError):
        raise CheckError(f"{where} is not base64") from None
    refuse_if(not n or len(data) != n * n * width, f"{where} must hold {n} x {n} integers of {width} bytes")
    entries = [int.from_bytes(data[i : i + width], "big", signed=True) for i in range(0, len(data), width)]
    return minus, exponents, [entries[j : j + n] for j in range(0, n * n, n)]


@dataclass(kw_only=True)
class Problem:
    """An instance: a loss of logits (classes > 0), or the program of an expression."""

    dim: int
    classes: int = 0
    samples: int = 0
    tau: Fraction = Fraction(1)
    weights: list[Fraction] | None = None
    labels: list[int] | None = None
    starts: list[int] = field(default_factory=list)
    loss: str = "cross-entropy"
    parameters: dict[str, Fraction] = field(default_factory=dict)
    columns: int = 0
    program: list[Any] = field(default_factory=list)
    invariant: bool = True

    def label(self, i: int) -> int:
        """Class of a sample."""
        return bisect_right(self.starts, i) - 1 if self.labels is None else self.labels[i]

    def equal_samples(self, first: int, a: int, b: int) -> bool:
        """Whether samples ``a .. b - 1`` have the label and weight of the first one."""
        labels = {self.label(first), self.label(a), self.label(b - 1), *(self.labels or [])[a:b]}
        weights = {self.weights[first], *self.weights[a:b]} if self.weights else {0}
        return len(labels) == len(weights) == 1


@dataclass
class Point:
    """Stored columns, and the groups of samples that share a feature: label, size, and one sample's number."""

    rank: int
    columns: list[list[Fraction]]
    groups: list[tuple[int, int, int]]
    scales: list[int] | None = None


def read_problem(value: Any) -> Problem:
    """Sections 3 and 6 of the format."""
    refuse_if(not isinstance(value, dict), "instance must be an object")
    if value.get("kind") == "expression":
        return read_expression(value)
    K = integer(1, 100_000)(value.get("classes"), "instance.classes")
    fields: dict[str, Reader] = {"kind": one_of("ufm"), "classes": anything, "dim": integer(1, 100_000)}
    fields |= {"tau": number("+"), "loss": read_loss, "weights": maybe(listing(number("+")))}
    sizes: dict[str, Reader] = {"class_sizes": listing(integer(0), K), "labels": listing(integer(0, K - 1))}
    refuse_if(("class_sizes" in value) == ("labels" in value), "instance needs one of class_sizes and labels")
    data = record(value, "instance", fields, sizes)
    labels, weights, starts = data.get("labels"), data["weights"], [0]
    for size in data.get("class_sizes", []):
        starts.append(starts[-1] + size)
    samples = starts.pop() if labels is None else len(labels)
    refuse_if(samples < 1, "there is no sample")
    refuse_if(
        weights is not None and len(weights) != samples, f"instance.weights must have {samples} entries"
    )
    more = {"weights": weights, "labels": labels, "starts": starts}
    loss, parameters = data["loss"]
    return Problem(
        dim=data["dim"], classes=K, samples=samples, tau=data["tau"], loss=loss, parameters=parameters, **more
    )


def read_loss(value: Any, where: str) -> tuple[str, dict[str, Fraction]]:
    """The name of a loss, or an object with its name and its parameters."""
    data = {"name": value} if isinstance(value, str) else value
    refuse_if(not isinstance(data, dict), f"{where} must be a name or an object")
    name = one_of(*LOSSES)(data.get("name"), where)
    parameters = LOSSES[name].parameters
    found = record(data, where, {"name": anything, **{key: number(sign) for key, sign in parameters.items()}})
    return name, {key: found[key] for key in parameters}


def read_expression(value: Any) -> Problem:
    """Section 6: instruction t may only use earlier ones."""
    size = integer(1, 10_000)
    data = record(
        value,
        "instance",
        {"kind": anything, "dim": size, "columns": size, "program": listing(listing(anything))},
    )
    d, M, program = data["dim"], data["columns"], data["program"]
    refuse_if(not 1 <= len(program) <= 20_000, "program must have 1 to 20000 instructions")
    for t, step in enumerate(program):
        earlier, column = integer(0, t - 1), integer(0, M - 1)
        leaves: dict[str, list[Reader]] = {"const": [number()], "x": [integer(0, d - 1), column]}
        leaves |= {"gram": [column, column], "pow": [earlier, integer(2, 64)]}
        name: Any = step[0] if step else None
        known = isinstance(name, str) and (name in leaves or name in ARITY)
        refuse_if(not known, f"unknown instruction {str(name)[:20]!r}")
        readers = leaves.get(name, [earlier] * (ARITY.get(name) or max(len(step) - 1, 2)))
        refuse_if(len(step) != len(readers) + 1, f"{name} has a wrong number of arguments")
        program[t] = (name, *(read(a, name) for read, a in zip(readers, step[1:], strict=True)))
    return Problem(dim=d, columns=M, program=program, invariant=all(step[0] != "x" for step in program))


def read_point(value: Any, p: Problem, where: str) -> Point:
    """Section 4: columns, and groups that hold each sample exactly once."""
    ranges = maybe(listing(listing(listing(integer(0, p.samples), 2))))
    fields = {"rank": integer(1, p.dim), "columns": listing(listing(number())), "groups": ranges}
    fields["scales"] = maybe(listing(integer(-9000, 9000)))
    data = record(value, where, fields)
    r, columns, groups, scales = data["rank"], data["columns"], data["groups"], data["scales"]
    refuse_if(
        scales is not None and len(scales) != len(columns), f"{where} must have a scale for each column"
    )
    refuse_if(not all(len(column) == r for column in columns), f"columns of {where} must have {r} entries")
    if p.program:
        wrong = groups is not None or r != p.dim or len(columns) != p.columns
        refuse_if(wrong, f"{where} does not fit the expression")
        return Point(r, columns, [], scales)
    if groups is None:
        found = [(p.label(i), 1, i) for i in range(p.samples)] if len(columns) > p.samples else []
    else:
        refuse_if(
            not all(groups) or not all(a < b for g in groups for a, b in g), "a group needs nonempty ranges"
        )
        # before the samples are looked at one by one: overlapping ranges could name each of them many times
        ends = [0]
        for a, b in sorted(pair for group in groups for pair in group):
            refuse_if(a != ends.pop(), "groups must hold each sample exactly once")
            ends.append(b)
        refuse_if(ends != [p.samples], "groups must hold each sample exactly once")
        same = all(p.equal_samples(group[0][0], a, b) for group in groups for a, b in group)
        refuse_if(not same, "samples of a group differ in label or weight")
        found = [(p.label(g[0][0]), sum(b - a for a, b in g), g[0][0]) for g in groups]
    many = p.classes + (p.samples if groups is None else len(found))
    refuse_if(len(columns) != many, f"{where} must have {many} columns")
    return Point(r, columns, found, scales)


def read_certificate(
    data: bytes, fields_of: Callable[[str, Any, Problem, Point], dict[str, Reader] | None]
) -> tuple[dict[str, Any], Problem, Point | None, dict[str, Any]]:
    """The whole file: what is shown of it, the instance, the point and the claims, each type once.

    ``fields_of`` names the readers of a claim's fields, None for an unknown type.
    """
    producer = {"name": text(200), "version": text(200)}
    hints = {"precision": integer(53, 4096), "cost": number()}
    fields: dict[str, Reader] = {"format": one_of(FORMAT), "instance": anything, "point": anything}
    fields |= {"producer": lambda v, where: record(v, where, producer), "claims": listing(anything)}
    optional: dict[str, Reader] = {
        "hints": lambda v, where: record(v, where, {}, hints),
        "reason": text(2000),
    }
    file = record(read_json(data), "certificate", fields, optional)
    p = read_problem(file["instance"])
    point = None if file["point"] is None else read_point(file["point"], p, "point")
    refuse_if(len(file["claims"]) > 16, "more than 16 claims")
    claims: dict[str, Any] = {}
    for claim in file["claims"]:
        kind = claim.get("type") if isinstance(claim, dict) else None
        readers = fields_of(kind, claim, p, point or Point(1, [], [])) if isinstance(kind, str) else None
        if readers is None:
            raise CheckError("a claim has an unknown type")
        refuse_if(kind in claims, "a type of claim occurs twice")
        claims[str(kind)] = record(claim, str(kind), {"type": anything, **readers})
    return file, p, point, claims
