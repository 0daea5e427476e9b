"""Certificates of format 1 in format 2: the same statements, with the witnesses that a checker of format 2 asks for.

Nothing here is trusted: what comes out is checked like any certificate, and a checker prints the instance and the
statements that it verified.  (That a critical point is the only one near by is said of points aligned with the centre.)
A file whose witnesses cannot be found cannot be converted, and proves nothing.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any

from sphereufm.certify import certificate as c
from sphereufm.certify.checker.place import Place
from sphereufm.certify.exact import parse_dyadic, parse_rational
from sphereufm.certify.json_format import CLAIMS, FORMAT
from sphereufm.certify.prove.attempts import place, precision
from sphereufm.certify.prove.critical import existence_witness
from sphereufm.certify.prove.families import class_witnesses
from sphereufm.certify.prove.follows import prove_index
from sphereufm.certify.prove.gap import positive
from sphereufm.errors import InvalidInputError

FORMAT_1 = FORMAT.replace("/2", "/1")
_LARGEST_FILE = 1 << 24
_LEVELS = (128, 256, 512)
# entries of a point and instructions of a program for which witnesses are a matter of seconds
_MOST_ENTRIES = 4000
_MOST_INSTRUCTIONS = 4000


def convert(data: bytes) -> c.Certificate:
    """Return the certificate that a file of format 1 states, in the terms of format 2.

    Raises InvalidInputError if it is no certificate of format 1, or no witness of one of its claims was
    found.
    """
    try:
        if len(data) > _LARGEST_FILE:
            raise ValueError("larger than a certificate may be")
        old = json.loads(data)
        if old["format"] != FORMAT_1:
            raise ValueError(f"format={str(old['format'])[:60]!r} is not {FORMAT_1}")
        certificate = _stated(old)
        hint = int(old.get("hints", {}).get("precision", _LEVELS[0]))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise InvalidInputError(
            f"no certificate of format 1: {type(error).__name__}: {str(error)[:200]}"
        ) from error
    _check_size(certificate)
    for bits in [b for b in _LEVELS if b >= min(hint, _LEVELS[-1])]:
        with precision(bits) as B, suppress(ArithmeticError, ValueError, LookupError):
            found = _witnessed(B, certificate)
            if found is not None:
                return replace(found, precision=bits)
    raise InvalidInputError("this certificate of format 1 has a claim for which no witness was found")


def _check_size(certificate: c.Certificate) -> None:
    """Refuse what would take long."""
    entries = 0 if certificate.point is None else sum(map(len, certificate.point.columns))
    program = len(certificate.instance.problem.program)
    if entries > _MOST_ENTRIES or program > _MOST_INSTRUCTIONS:
        raise InvalidInputError(
            f"{entries} entries and {program} instructions are too many for a conversion; "
            f"at most {_MOST_ENTRIES} and {_MOST_INSTRUCTIONS} are taken"
        )


def _stated(old: dict[str, Any]) -> c.Certificate:
    """The statements, without witnesses."""
    instance = _instance(old["instance"])
    point = None if old["point"] is None else _point(old["point"])
    return c.Certificate(
        instance=instance,
        point=point,
        claims=tuple(_claim(claim, point, instance) for claim in old["claims"]),
        reason=str(old.get("reason", "")),
        producer=(str(old["producer"]["name"]), str(old["producer"]["version"])),
    )


def _instance(entry: dict[str, Any]) -> c.Instance:
    """The instance, whose form did not change."""
    if entry["kind"] == "expression":
        program = tuple(tuple(step) for step in entry["program"])
        return c.ExpressionInstance(dim=entry["dim"], columns=entry["columns"], program=program)
    weights = entry["weights"]
    return c.ExactInstance(
        classes=entry["classes"],
        dim=entry["dim"],
        class_sizes=tuple(entry["class_sizes"]) if "class_sizes" in entry else None,
        labels=tuple(entry["labels"]) if "labels" in entry else None,
        tau=parse_rational(entry["tau"]),
        weights=None if weights is None else tuple(map(parse_rational, weights)),
        loss=entry["loss"],
    )


def _point(entry: dict[str, Any]) -> c.ExactPoint:
    """A point, whose numbers are hexadecimal."""
    groups = entry["groups"]
    return c.ExactPoint(
        columns=tuple(tuple(map(parse_dyadic, column)) for column in entry["columns"]),
        groups=None if groups is None else tuple(tuple((a, b) for a, b in group) for group in groups),
    )


def _claim(old: dict[str, Any], point: c.ExactPoint | None, instance: c.Instance) -> c.Claim:
    """A claim without its witnesses."""
    kind, fields = CLAIMS[old["type"]]
    if kind is c.StrictSaddleClaim and point is not None:
        return _saddle(old, point, instance.problem.classes)
    values: dict[str, Any] = {}
    for name in fields:
        if name == "lower_point":
            values[name] = _point(old[name])
        elif name == "index":
            values[name] = old[name]
        elif name in old and name != "theorem":
            given = old[name]
            values[name] = tuple(map(parse_dyadic, given)) if isinstance(given, list) else parse_dyadic(given)
    if kind is c.CollapsedClaim:
        # sums are weighed by the slopes tau / K now
        p = instance.problem
        values["target"] = tuple(t * p.taus[0] / p.classes for t in values["target"])
    claim: c.Claim = kind(**values)
    return claim


def _saddle(old: dict[str, Any], point: c.ExactPoint, K: int) -> c.StrictSaddleClaim:
    """One form for four: a row more off the span; of a group all samples move, with the same quotient (Lemma 1)."""
    r, zero, form = point.rank, Fraction(0), old["form"]
    columns = [(zero,) * r] * len(point.columns)
    if form == "tangent":
        columns = [tuple(map(parse_dyadic, column)) for column in old["direction"]]
    elif form == "normal":
        columns = [(*(zero,) * r, parse_dyadic(x)) for x in old["direction"]]
    elif form == "split_tangent":
        columns[K + old["group"]] = tuple(map(parse_dyadic, old["direction"]))
    else:
        columns = [(*column, Fraction(j == K + old["group"])) for j, column in enumerate(columns)]
    numbers = {name: parse_dyadic(old[name]) for name in ("radius", "curvature")}
    return c.StrictSaddleClaim(**numbers, direction=tuple(columns))


def _witnessed(B: Any, certificate: c.Certificate) -> c.Certificate | None:
    """The certificate with witnesses, None where one is missing at this precision."""
    point = certificate.point
    if point is None:
        return certificate
    at = place(B, certificate.instance, point.columns, point.groups)
    claims: dict[type[Any], Any] = {type(claim): claim for claim in certificate.claims}
    radius, own = Fraction(0), 0
    existence = certificate.find(c.CriticalClaim)
    if existence is not None:
        witness = existence_witness(at, existence.unique_radius)
        if witness is None:
            return None
        claims[c.CriticalClaim] = replace(existence, witness=(witness,))
        radius, own = existence.radius, witness.minus
    for kind, claim in claims.items():
        if kind in (c.IndexClaim, c.GlobalMinimumClaim, c.GapClaim, c.CollapsedClaim):
            found = _witnesses(at, claim, radius, own)
            if found is None or (None in found and kind is not c.CollapsedClaim):
                return None
            claims[kind] = replace(claim, witness=found)
    return replace(
        certificate,
        point=replace(point, scales=tuple(at.point.scales)),
        cost=float(at.around(Fraction(0)).unit.cost),
        claims=tuple(claims[type(claim)] for claim in certificate.claims),
    )


def _witnesses(at: Place, claim: Any, radius: Fraction, own: int) -> tuple[Any, ...] | None:
    """Those of a claim other than ``critical``; of an index, those of the true one."""
    if isinstance(claim, c.IndexClaim):
        index = prove_index(at, radius, own)
        return None if index is None else index.witness
    if isinstance(claim, c.CollapsedClaim):
        return class_witnesses(at, claim.target)
    shifts = list(claim.shifts) if isinstance(claim, c.GapClaim) else None
    return (positive(at, at.around(Fraction(0) if shifts else radius).unit, shifts),)
