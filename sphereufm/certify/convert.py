"""Certificates of format 1 in format 2: the same statements, with the witnesses that a checker of format 2 asks for.

Nothing here is trusted: what comes out is checked like any certificate, and a checker prints the instance and the
statements that it verified.  (That a critical point is the only one near by is said of points aligned with the centre.)
A file whose witnesses cannot be found cannot be converted, and proves nothing.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any

from sphereufm.certify import certificate as c
from sphereufm.certify.checker.place import Place
from sphereufm.certify.checker.reading import CLAIMS, FORMAT, LARGEST_FILE, number
from sphereufm.certify.exact import exact_text
from sphereufm.certify.json_format import certificate_from_json
from sphereufm.certify.prove.attempts import place, precision
from sphereufm.certify.prove.candidate import LEVELS
from sphereufm.certify.prove.critical import existence_witness
from sphereufm.certify.prove.families import class_witnesses
from sphereufm.certify.prove.follows import prove_index
from sphereufm.certify.prove.gap import positive
from sphereufm.errors import InvalidInputError

FORMAT_1 = FORMAT.replace("/2", "/1")
# entries of a point (all of which are unknowns of its existence) and instructions of a program for which witnesses
# are a matter of seconds
_MOST_ENTRIES, _MOST_UNKNOWNS, _MOST_INSTRUCTIONS = 4000, 900, 4000
# a number of format 1
_HEXADECIMAL = re.compile(r"(-?)0x([0-9a-f])(?:\.([0-9a-f]{1,130}))?p([+-][0-9]{1,5})", re.ASCII)


def convert(data: bytes) -> c.Certificate:
    """Return the certificate that a file of format 1 states, in the terms of format 2.

    Raises InvalidInputError if it is no certificate of format 1, or no witness of one of its claims was
    found.
    """
    try:
        if len(data) > LARGEST_FILE:
            raise ValueError("larger than a certificate may be")
        old = json.loads(data)
        if old["format"] != FORMAT_1:
            raise ValueError(f"format={str(old['format'])[:60]!r} is not {FORMAT_1}")
        certificate = certificate_from_json(json.dumps(_stated(old)))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise InvalidInputError(
            f"no certificate of format 1: {type(error).__name__}: {str(error)[:200]}"
        ) from error
    _check_size(certificate)
    for bits in [bits for bits, _ in LEVELS if bits >= min(certificate.precision or 0, LEVELS[-1][0])]:
        with precision(bits) as B, suppress(ArithmeticError, ValueError, LookupError):
            found = _witnessed(B, certificate)
            if found is not None:
                return replace(found, precision=bits)
    raise InvalidInputError("this certificate of format 1 has a claim for which no witness was found")


def _check_size(certificate: c.Certificate) -> None:
    """Refuse what would take long."""
    entries = 0 if certificate.point is None else sum(map(len, certificate.point.columns))
    program = len(certificate.instance.problem.program)
    most = _MOST_UNKNOWNS if certificate.find(c.CriticalClaim) else _MOST_ENTRIES
    if entries > most or program > _MOST_INSTRUCTIONS:
        raise InvalidInputError(
            f"{entries} entries and {program} instructions are too many for a conversion; "
            f"at most {most} and {_MOST_INSTRUCTIONS} are taken"
        )


def _stated(old: dict[str, Any]) -> dict[str, Any]:
    """The same statements in format 2, without witnesses."""
    old = numbers(old)
    instance, point = old["instance"], old["point"]
    kept = {key: old[key] for key in ("producer", "hints", "reason") if key in old}
    claims = [_claim(claim, point, instance) for claim in old["claims"]]
    stated = {"format": FORMAT, "instance": instance, "point": point and _point(point), "claims": claims}
    return stated | kept


def numbers(value: Any) -> Any:
    """JSON with its hexadecimal numbers written as format 2 has them."""
    if isinstance(value, dict):
        return {key: numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [numbers(item) for item in value]
    match = _HEXADECIMAL.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    sign, head, tail, exponent = match.groups("")
    power = int(exponent) - 4 * len(tail)
    return exact_text(int(sign + head + tail, 16) * Fraction(2) ** power)


def _point(entry: dict[str, Any]) -> dict[str, Any]:
    """A point, whose units are found later."""
    return {**entry, "scales": [0] * len(entry["columns"])}


def _claim(old: dict[str, Any], point: dict[str, Any], instance: dict[str, Any]) -> dict[str, Any]:
    """A claim without its witnesses."""
    names = CLAIMS[old["type"]].split()
    new = {name: old[name] for name in names if name in old}
    defaults = {"witness": [], "theorem": "S", "formal": "benign_S"}
    new |= {"type": old["type"]} | {name: defaults[name] for name in names if name in defaults}
    if "direction" in names:
        new["direction"] = _direction(old, point, instance.get("classes", 0))
    if "lower_point" in names:
        new["lower_point"] = _point(old["lower_point"])
    if "target" in names:
        # sums are weighed by the slopes tau / K now
        slope = number("+")(instance["tau"], "tau") / instance["classes"]
        new["target"] = [exact_text(number()(t, "target") * slope) for t in old["target"]]
    return new


def _direction(old: dict[str, Any], point: dict[str, Any], K: int) -> list[list[str]]:
    """One form for four: a row more off the span; of a group all samples move, with the same quotient (Lemma 1)."""
    form, given = old["form"], old.get("direction", [])
    # no longer than what the file holds, whatever rank it says
    columns = [["0"] * len(column) for column in point["columns"]]
    if form == "tangent":
        return list(given)
    if form == "normal":
        return [[*column, x] for column, x in zip(columns, given, strict=True)]
    if form == "split_tangent":
        columns[K + old["group"]] = given
        return columns
    return [[*column, str(int(j == K + old["group"]))] for j, column in enumerate(columns)]


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
