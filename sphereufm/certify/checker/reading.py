"""Reading a certificate: strict JSON, exact numbers, and for each place the keys that it must have.

A reader takes a value and its place, and returns what it read or refuses the file.  Sizes are tested before anything
is built; nothing is echoed at length.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from sphereufm.certify.checker.kernel import CheckError, Witness
from sphereufm.certify.checker.losses import LOSSES, THEOREMS
from sphereufm.certify.checker.programs import OPERATIONS

FORMAT = "sphereufm-certificate/2"
MOST_SAMPLES = 1_000_000
LARGEST_FILE = 1 << 24
LARGEST_WITNESS = 1500
# a number holds as many bits as its exponent says: 2^30 of them are 128 MiB
EXPONENTS = re.compile(r"@-?([0-9]{3,5})\"")
MOST_BITS = 1 << 30
ESCAPED = re.compile(r"\\u00(?:3[0-9]|40)")
NUMBER = re.compile(r"(-?[0-9]{1,200})(?:/([0-9]{1,60})|@(-?[0-9]{1,5}))?")

Reader = Callable[[Any, str], Any]
# section 5: the types of claims, and their fields
CLAIMS = {
    "critical": "radius unique_radius witness",
    "rank_one": "",
    "index": "index witness",
    "strict_saddle": "radius curvature direction",
    "global_minimum": "witness",
    "gap": "gap shifts witness",
    "spurious": "lower_point margin",
    "collapsed": "radius target witness",
    "degenerate": "lower_point margin",
    "well_classified": "radius",
    "least_loss": "radius witness",
    "shared_loss": "radius witness",
    "equal_features": "radius",
    "frame": "radius mirror sides witness",
    "benign": "theorem formal",
}
OF_EXPRESSIONS = ("critical", "index", "strict_saddle", "spurious", "global_minimum", "gap")


def refuse_if(condition: object, message: str) -> None:
    """Refuse the file."""
    if condition:
        raise CheckError(message)


def whole(digits: str) -> int:
    """A JSON integer of few digits; there is no other JSON number."""
    words = "a JSON number that is not an integer of at most 9 digits; other numbers are text"
    refuse_if(not re.fullmatch("-?[0-9]{1,9}", digits), words)
    return int(digits)


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object without duplicate keys."""
    refuse_if(len(dict(pairs)) != len(pairs), "a key occurs twice in one object")
    return dict(pairs)


def read_json(data: bytes) -> Any:
    """JSON with the format's own limits; what is nested too deeply has no reader."""
    refuse_if(len(data) > LARGEST_FILE, f"the file is larger than {LARGEST_FILE} bytes")
    try:
        text = data.decode("utf-8")
        refuse_if(ESCAPED.search(text), "digits and @ must not be escaped")
        refuse_if(sum(map(int, EXPONENTS.findall(text))) > MOST_BITS, "exponents that would fill the memory")
        numbers: Any = dict.fromkeys(("parse_int", "parse_float", "parse_constant"), whole)
        return json.loads(text, object_pairs_hook=once, **numbers)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CheckError(f"not JSON in UTF-8: {error}") from None


def record(value: Any, where: str, fields: dict[str, Reader]) -> Any:
    """An object with exactly these keys, each read by its reader; keys that end in ? may be absent."""
    refuse_if(not isinstance(value, dict), f"{where} must be an object")
    readers = {name.rstrip("?"): read for name, read in fields.items()}
    missing = sorted(name for name in fields if name in readers and name not in value)
    extra = sorted(value.keys() - readers.keys())
    refuse_if(missing, f"{where} lacks {', '.join(missing)}")
    refuse_if(extra, f"{where} has the unknown key {extra[0][:40]!r}" if extra else "")
    return {name: readers[name](item, f"{where}.{name}") for name, item in value.items()}


def anything(value: Any, where: str) -> Any:
    """A value that is read later."""
    return value


def that(holds: Callable[[Any], bool], words: str) -> Reader:
    """A value of which something holds."""

    def read(value: Any, where: str) -> Any:
        refuse_if(not holds(value), f"{where} must be {words}")
        return value

    return read


def text(longest: int) -> Reader:
    """A short text."""
    return that(lambda x: isinstance(x, str) and len(x) <= longest, f"a text, at most {longest} long")


def one_of(*words: str) -> Reader:
    """One of a few words."""
    return that(lambda x: isinstance(x, str) and x in words, " or ".join(words))


def integer(low: int, high: int = 10**9) -> Reader:
    """An integer in a range; true is not 1."""
    return that(lambda x: type(x) is int and low <= x <= high, f"an integer, {low} .. {high}")


def listing(item: Reader, length: int | None = None) -> Reader:
    """A list, of a given length."""
    words = "a list" if length is None else f"a list with {length} entries"
    is_list = that(lambda x: isinstance(x, list) and length in (None, len(x)), words)
    return lambda value, where: [item(x, where) for x in is_list(value, where)]


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
        beyond = bottom == 0 or abs(power) > 16000
        refuse_if(beyond, f"{where} has the denominator zero, or an exponent beyond 16000")
        refuse_if("0+-"[(top > 0) - (top < 0)] not in allowed, f"{where} has the wrong sign")
        return Fraction(top << max(power, 0), bottom << max(-power, 0))

    return read


def witness(value: Any, where: str) -> Witness:
    """A matrix T with its E: ``[minus, bytes, exponents, columns]``, columns big-endian integers in base64."""
    minus, width, exponents, packed = listing(anything, 4)(value, where)
    exponents, width = listing(integer(-16000, 16000))(exponents, where), integer(1, 256)(width, where)
    n = len(exponents)
    refuse_if(not 0 < n <= LARGEST_WITNESS, f"{where} must have 1 to {LARGEST_WITNESS} columns")
    try:
        data = base64.b64decode(text(LARGEST_FILE)(packed, where), validate=True)
    except ValueError:
        raise CheckError(f"{where} is not base64") from None
    refuse_if(len(data) != n * n * width, f"{where} must hold {n} x {n} integers of {width} bytes")
    entries = [int.from_bytes(data[i : i + width], "big", signed=True) for i in range(0, len(data), width)]
    return integer(0, n)(minus, where), exponents, [entries[j : j + n] for j in range(0, n * n, n)]


# --- the instance and the point


@dataclass(kw_only=True)
class Problem:
    """An instance: a loss of logits (classes > 0) with label, weight and tau of every sample, or a program.

    ``bias``: b in R^K is added to all logits, and minimised over.
    """

    dim: int
    classes: int = 0
    labels: list[int] = field(default_factory=list)
    weights: list[Fraction] = field(default_factory=list)
    taus: list[Fraction] = field(default_factory=list)
    loss: str = "cross-entropy"
    parameters: dict[str, Any] = field(default_factory=dict)
    bias: bool = False
    columns: int = 0
    program: list[Any] = field(default_factory=list)

    @property
    def invariant(self) -> bool:
        """Whether the cost is one of Gram entries."""
        return all(step[0] != "x" for step in self.program)


@dataclass
class Point:
    """Stored columns, and the groups of samples that share a feature: label, size, and one sample's number."""

    rank: int
    columns: list[list[Fraction]]
    groups: list[tuple[int, int, int]]
    scales: list[int]

    @property
    def sizes(self) -> list[int]:
        """How many columns of the full problem each is."""
        return [1] * (len(self.columns) - len(self.groups)) + [m for _, m, _ in self.groups]


def read_problem(value: Any) -> Problem:
    """Sections 3 and 6 of the format."""
    refuse_if(not isinstance(value, dict), "instance must be an object")
    if value.get("kind") == "expression":
        return read_expression(value)
    K = integer(1, 100_000)(value.get("classes"), "instance.classes")
    fields: dict[str, Reader] = {"kind": one_of("ufm"), "classes": anything, "dim": integer(1, 100_000)}
    fields |= {"class_sizes?": listing(integer(0, MOST_SAMPLES), K), "labels?": listing(integer(0, K - 1))}
    fields |= {"loss": lambda loss, where: read_loss(loss, where, K), "weights": maybe(listing(number("+")))}
    fields["tau"] = listing(number("+")) if isinstance(value.get("tau"), list) else number("+")
    fields["bias?"] = that(lambda x: x is True, "true, or absent")
    refuse_if(("class_sizes" in value) == ("labels" in value), "instance needs one of class_sizes and labels")
    data = record(value, "instance", fields)
    sizes = data.get("class_sizes", [])
    N = sum(sizes) if sizes else len(data["labels"])
    refuse_if(not 0 < N <= MOST_SAMPLES, f"there must be 1 to {MOST_SAMPLES} samples")
    labels = data.get("labels") or [k for k, n in enumerate(sizes) for _ in range(n)]
    given = Fraction(1) if data["weights"] is None else data["weights"], data["tau"]
    weights, taus = (x if isinstance(x, list) else [x] * N for x in given)
    refuse_if(not len(weights) == len(taus) == N, f"weights and tau must have {N} entries")
    (loss, parameters), bias = data["loss"], "bias" in data
    # elsewhere the cost may fall without bound as the bias grows
    fits = LOSSES[loss].convex and len({*labels}) == K and parameters.get("smoothing", 0) < 1
    needs = "a free bias needs a convex loss, smoothing below one, and a sample in every class"
    refuse_if(bias and not fits, needs)
    p = Problem(dim=data["dim"], classes=K, labels=labels, weights=weights, taus=taus)
    p.loss, p.parameters, p.bias = loss, parameters, bias
    return p


def read_loss(value: Any, where: str, K: int) -> tuple[str, dict[str, Any]]:
    """The name of a loss, or an object with its name and its parameters."""
    data = {"name": value} if isinstance(value, str) else value
    refuse_if(not isinstance(data, dict), f"{where} must be a name or an object")
    signs = LOSSES[one_of(*LOSSES)(data.get("name"), where)].parameters
    matrix = listing(listing(number()), K)
    fields = {key: matrix if sign == "matrix" else number(sign) for key, sign in signs.items()}
    found = record(data, where, {"name": anything, **fields})
    widths = {*map(len, found.get("offsets", [[0]]))}
    refuse_if(widths not in ({1}, {K}), f"{where}.offsets must have rows of one or {K} numbers")
    return found["name"], {key: found[key] for key in signs}


def read_expression(value: Any) -> Problem:
    """Section 6: instruction t may only use earlier ones."""
    size, steps = integer(1, 10_000), listing(listing(anything))
    data = record(value, "instance", {"kind": anything, "dim": size, "columns": size, "program": steps})
    d, column, program = data["dim"], integer(0, data["columns"] - 1), data["program"]
    refuse_if(not 1 <= len(program) <= 20_000, "program must have 1 to 20000 instructions")
    for t, step in enumerate(program):
        earlier = integer(0, t - 1)
        leaves: dict[str, list[Reader]] = {"const": [number()], "x": [integer(0, d - 1), column]}
        leaves |= {"gram": [column, column], "pow": [earlier, integer(2, 64)]}
        name, *given = step or [None]
        known = isinstance(name, str) and (name in leaves or name in OPERATIONS)
        refuse_if(not known, f"unknown instruction {str(name)[:20]!r}")
        many = 0 if name in leaves else OPERATIONS[name][0] or max(len(given), 2)
        readers = leaves.get(name, [earlier] * many)
        refuse_if(len(given) != len(readers), f"{name} has a wrong number of arguments")
        program[t] = (name, *(read(a, f"{name}'s entry") for read, a in zip(readers, given, strict=True)))
    return Problem(dim=d, columns=data["columns"], program=program)


def read_point(value: Any, p: Problem, where: str) -> Point:
    """Section 4: columns, and groups that hold each sample exactly once."""
    N, scales = len(p.labels), listing(integer(-9000, 9000))
    fields = {"rank": integer(1, p.dim), "columns": listing(listing(number())), "scales": scales}
    fields["groups"] = maybe(listing(listing(listing(integer(0, N), 2))))
    data = record(value, where, fields)
    r, columns, ranges = data["rank"], data["columns"], data["groups"]
    refuse_if(p.program and (ranges is not None or r != p.dim), f"{where} does not fit the expression")
    many = p.columns + p.classes + (N if ranges is None else len(ranges))
    fits = len(columns) == len(data["scales"]) == many
    refuse_if(not fits, f"{where} must have {many} columns, and a scale for each column")
    refuse_if({*map(len, columns)} != {r}, f"columns of {where} must have {r} entries")
    # before the samples are looked at one by one: overlapping ranges could name each of them many times
    pairs = sorted((a, b) for group in ranges or () for a, b in group)
    tiled = [a for a, _ in pairs] + [N] == [0] + [b for _, b in pairs] and all(a < b for a, b in pairs)
    refuse_if(ranges is not None and not (tiled and all(ranges)), "groups must hold each sample exactly once")
    groups = [(y, 1, i) for i, y in enumerate(p.labels)] if ranges is None else []
    for group in ranges or ():
        first = group[0][0]
        for values in (p.labels, p.weights, p.taus):
            same = all(values[a:b].count(values[first]) == b - a for a, b in group)
            refuse_if(not same, "samples of a group differ in label, weight or tau")
        groups.append((p.labels[first], sum(b - a for a, b in group), first))
    return Point(r, columns, groups, data["scales"])


def read_claim(claim: Any, p: Problem, point: Point | None) -> dict[str, Any]:
    """A claim; an expression allows only some, and only a theorem needs no point."""
    kind = claim.get("type") if isinstance(claim, dict) else None
    refuse_if(not isinstance(kind, str) or kind not in CLAIMS, "a claim has an unknown type")
    refuse_if(p.program and kind not in OF_EXPRESSIONS, "an expression allows other claims")
    refuse_if(point is None and kind != "benign", "point may be null only beside the claim benign")
    readers: dict[str, Reader] = {"radius": number("0+"), "unique_radius": number("+"), "index": integer(0)}
    readers |= {"curvature": number("-"), "gap": number("0+"), "margin": number("+"), "theorem": text(1)}
    readers |= dict.fromkeys(("shifts", "target", "mirror", "sides"), listing(number()))
    readers |= {"direction": listing(listing(number())), "witness": listing(maybe(witness))}
    readers |= {"formal": one_of(*THEOREMS), "lower_point": lambda v, where: read_point(v, p, where)}
    fields = {"type": anything, **{name: readers[name] for name in CLAIMS[str(kind)].split()}}
    found: dict[str, Any] = record(claim, str(kind), fields)
    named = kind == "benign" and THEOREMS[found["formal"]][0] != found["theorem"]
    refuse_if(named, "benign: formal names another theorem")
    return found


def read_certificate(data: bytes) -> tuple[dict[str, Any], Problem, Point | None, dict[str, Any]]:
    """What is shown of a file, the instance, the point and the claims, each type once."""
    producer = {"name": text(200), "version": text(200)}
    hints = {"precision?": integer(53, 4096), "cost?": number()}
    fields: dict[str, Reader] = {"format": one_of(FORMAT), "instance": anything, "point": anything}
    fields |= {"producer": lambda v, where: record(v, where, producer), "claims": listing(anything)}
    fields |= {"hints?": lambda v, where: record(v, where, hints), "reason?": text(2000)}
    file = record(read_json(data), "certificate", fields)
    p = read_problem(file["instance"])
    point = None if file["point"] is None else read_point(file["point"], p, "point")
    refuse_if(len(file["claims"]) > 16, "more than 16 claims")
    claims = {claim["type"]: claim for claim in (read_claim(c, p, point) for c in file["claims"])}
    refuse_if(len(claims) < len(file["claims"]), "a type of claim occurs twice")
    return file, p, point, claims
