"""Certificates of format 1 in format 2: the same statements, with the witnesses that a checker of format 2 asks for.

Nothing here is trusted: what comes out is checked like any certificate, and a checker prints the instance and the
statements that it verified.  A file whose witnesses cannot be found cannot be converted, and proves nothing.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any

from sphereufm.certify.balls import UFMBalls, ball, box, precision, unit_columns
from sphereufm.certify.certificate import (
    BenignClaim,
    Certificate,
    Claim,
    CollapsedClaim,
    CriticalClaim,
    DegenerateClaim,
    ExactInstance,
    ExactPoint,
    ExpressionInstance,
    GapClaim,
    GlobalMinimumClaim,
    IndexClaim,
    RankOneClaim,
    SpuriousClaim,
    StrictSaddleClaim,
)
from sphereufm.certify.exact import parse_dyadic, parse_rational
from sphereufm.certify.json_format import FORMAT
from sphereufm.certify.prove.critical import existence_witness
from sphereufm.certify.prove.expression_balls import ExpressionBalls
from sphereufm.certify.prove.families import class_witness
from sphereufm.certify.prove.gap import shifted_positive
from sphereufm.certify.prove.index import Neighbourhood, prove_index
from sphereufm.errors import InvalidInputError

FORMAT_1 = FORMAT.replace("/2", "/1")
_LARGEST_FILE = 1 << 24
_LEVELS = (128, 256, 512)
# entries of a point and instructions of a program for which witnesses are a matter of seconds
_MOST_ENTRIES = 4000
_MOST_INSTRUCTIONS = 4000


def convert(data: bytes) -> Certificate:
    """Return the certificate that a file of format 1 states, in the terms of format 2.

    ``data``: the file's content.  Raises InvalidInputError if it is no certificate of format 1, or no witness
    of one of its claims was found.
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
        with precision(bits), suppress(ArithmeticError, ValueError, IndexError):
            found = _witnessed(certificate)
            if found is not None:
                return replace(found, precision=bits)
    raise InvalidInputError("this certificate of format 1 has a claim for which no witness was found")


def _check_size(certificate: Certificate) -> None:
    """Refuse what would take long."""
    point, instance = certificate.point, certificate.instance
    entries = 0 if point is None else sum(map(len, point.columns))
    program = len(instance.program) if isinstance(instance, ExpressionInstance) else 0
    if entries > _MOST_ENTRIES or program > _MOST_INSTRUCTIONS:
        raise InvalidInputError(
            f"{entries} entries and {program} instructions are too many for a conversion; "
            f"at most {_MOST_ENTRIES} and {_MOST_INSTRUCTIONS} are taken"
        )


def _stated(old: dict[str, Any]) -> Certificate:
    """The statements, without witnesses."""
    instance = _instance(old["instance"])
    point = None if old["point"] is None else _point(old["point"])
    claims = tuple(_claim(claim, point) for claim in old["claims"])
    names = old["producer"]
    return Certificate(
        instance=instance,
        point=point,
        claims=claims,
        reason=str(old.get("reason", "")),
        producer=(str(names["name"]), str(names["version"])),
    )


def _instance(entry: dict[str, Any]) -> ExactInstance | ExpressionInstance:
    """The instance, whose form did not change."""
    if entry["kind"] == "expression":
        program = tuple(tuple(step) for step in entry["program"])
        return ExpressionInstance(dim=entry["dim"], columns=entry["columns"], program=program)
    weights = entry["weights"]
    return ExactInstance(
        classes=entry["classes"],
        dim=entry["dim"],
        class_sizes=tuple(entry["class_sizes"]) if "class_sizes" in entry else None,
        labels=tuple(entry["labels"]) if "labels" in entry else None,
        tau=parse_rational(entry["tau"]),
        weights=None if weights is None else tuple(map(parse_rational, weights)),
        loss=entry["loss"],
    )


def _point(entry: dict[str, Any]) -> ExactPoint:
    """A point, whose numbers are hexadecimal."""
    groups = entry["groups"]
    return ExactPoint(
        columns=tuple(tuple(map(parse_dyadic, column)) for column in entry["columns"]),
        groups=None if groups is None else tuple(tuple((a, b) for a, b in group) for group in groups),
    )


def _claim(old: dict[str, Any], point: ExactPoint | None) -> Claim:
    """A claim without its witnesses."""
    kind = old["type"]
    number: dict[str, Fraction] = {
        key: parse_dyadic(old[key])
        for key in ("radius", "unique_radius", "gap", "margin", "curvature")
        if key in old
    }
    lower = _point(old["lower_point"]) if "lower_point" in old else None
    if kind == "critical":
        return CriticalClaim(radius=number["radius"], unique_radius=number["unique_radius"])
    if kind == "strict_saddle" and point is not None:
        return _saddle(old, point, number)
    if kind == "gap":
        return GapClaim(gap=number["gap"], shifts=tuple(map(parse_dyadic, old["shifts"])))
    if kind == "collapsed":
        return CollapsedClaim(radius=number["radius"], target=tuple(map(parse_dyadic, old["target"])))
    if lower is not None:
        if kind == "spurious":
            return SpuriousClaim(lower_point=lower, margin=number["margin"])
        return DegenerateClaim(lower_point=lower, margin=number["margin"])
    if kind == "index":
        return IndexClaim(index=old["index"])
    plain: dict[str, Any] = {
        "rank_one": RankOneClaim,
        "global_minimum": GlobalMinimumClaim,
        "benign": BenignClaim,
    }
    claim: Claim = plain[kind]()
    return claim


def _saddle(old: dict[str, Any], point: ExactPoint, number: dict[str, Fraction]) -> StrictSaddleClaim:
    """One form for four: a row more off the span, a column more for a sample apart."""
    r, zero = point.rank, Fraction(0)
    still = [(zero,) * r] * len(point.columns)
    if old["form"] == "tangent":
        columns = [tuple(map(parse_dyadic, column)) for column in old["direction"]]
    elif old["form"] == "normal":
        columns = [(*(zero,) * r, parse_dyadic(c)) for c in old["direction"]]
    elif old["form"] == "split_tangent":
        columns = [*still, tuple(map(parse_dyadic, old["direction"]))]
    else:
        columns = [*[(*column, zero) for column in still], (*(zero,) * r, Fraction(1))]
    return StrictSaddleClaim(
        radius=number["radius"],
        curvature=number["curvature"],
        direction=tuple(columns),
        apart=old.get("group"),
    )


def _witnessed(certificate: Certificate) -> Certificate | None:
    """The certificate with witnesses, None where one is missing at this precision."""
    point, instance = certificate.point, certificate.instance
    if point is None:
        return certificate
    ufm = isinstance(instance, ExactInstance)
    problem: Any = UFMBalls(instance, point.groups) if ufm else ExpressionBalls(instance)  # type: ignore[arg-type]
    existence = certificate.find(CriticalClaim)
    own_index, scales = (0 if point.rank == 1 else None), None
    claims: dict[type[Any], Any] = {type(claim): claim for claim in certificate.claims}
    if existence is not None:
        found = existence_witness(problem, point.columns, existence.unique_radius)
        if found is None:
            return None
        detour, witness, scales = found
        claims[CriticalClaim] = replace(existence, detour=detour, witness=witness)
        own_index = witness[0].minus
    at = problem.at(box(point.columns, existence.radius if existence else Fraction(0)))
    if GapClaim in claims:
        at = problem.at(unit_columns(point.columns))
    scales = scales or tuple(e // 2 for e in at.scales)
    near = Neighbourhood(
        problem=problem,
        columns=point.columns,
        radius=existence.radius if existence else Fraction(0),
        dim=instance.dim,
        own_index=own_index,
        scales=scales,
    )
    for kind, fill in _FILL.items():
        if kind in claims:
            filled = fill(claims[kind], near, at, point)
            if filled is None:
                return None
            claims[kind] = filled
    return replace(
        certificate,
        point=replace(point, scales=scales),
        cost=float(at.cost),
        claims=tuple(claims[type(claim)] for claim in certificate.claims),
    )


def _index(claim: IndexClaim, near: Neighbourhood, at: Any, point: ExactPoint) -> IndexClaim | None:
    """The claimed index, with the witnesses of the true one."""
    found = prove_index(near)
    return None if found is None else replace(claim, witness=found.witness)


def _minimum(
    claim: GlobalMinimumClaim, near: Neighbourhood, at: Any, point: ExactPoint
) -> GlobalMinimumClaim | None:
    """With the witness of the multiplier matrix."""
    found = near.normal_inertia
    return None if found is None else replace(claim, witness=(found,))


def _gap(claim: GapClaim, near: Neighbourhood, at: Any, point: ExactPoint) -> GapClaim | None:
    """With the witness of the Schur complement."""
    counts = near.problem.multiplicities
    shifts = [ball(x * m) for x, m in zip(claim.shifts, counts, strict=True)]
    found = shifted_positive(at, shifts)
    return None if found is None else replace(claim, witness=(found,))


def _collapsed(
    claim: CollapsedClaim, near: Neighbourhood, at: Any, point: ExactPoint
) -> CollapsedClaim | None:
    """With a witness for each class."""
    problem = near.problem
    assert isinstance(problem, UFMBalls)
    features = point.columns[problem.classes :]
    classes = sorted(set(problem.labels))
    return replace(claim, witness=tuple(class_witness(problem, features, k, claim.target) for k in classes))


_FILL: dict[type[Any], Any] = {
    IndexClaim: _index,
    GlobalMinimumClaim: _minimum,
    GapClaim: _gap,
    CollapsedClaim: _collapsed,
}
