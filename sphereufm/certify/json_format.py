"""Certificates as JSON text: the format ``sphereufm-certificate/2`` of ``docs/certificates.md``.

There is one strict reader, the checker's; :func:`read_certificate` makes data of what that accepts.  What a certificate
proves is for the checker to say.
"""

from __future__ import annotations

import base64
import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

from sphereufm.certify.certificate import (
    BenignClaim,
    Certificate,
    Claim,
    CollapsedClaim,
    CriticalClaim,
    DegenerateClaim,
    EqualFeaturesClaim,
    ExactInstance,
    ExactPoint,
    ExpressionInstance,
    FrameClaim,
    GapClaim,
    GlobalMinimumClaim,
    IndexClaim,
    Instance,
    LeastLossClaim,
    RankOneClaim,
    SharedLossClaim,
    SpuriousClaim,
    StrictSaddleClaim,
    WellClassifiedClaim,
    Witness,
)
from sphereufm.certify.checker.face import read_file
from sphereufm.certify.checker.kernel import CheckError
from sphereufm.certify.checker.reading import read_certificate as read_certificate_file
from sphereufm.certify.exact import exact_text
from sphereufm.errors import InvalidInputError, UnreadableFileError
from sphereufm.files import write_text

FORMAT = "sphereufm-certificate/2"

# types of claims by name, with their fields in the order in which they are written
CLAIMS: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "critical": (CriticalClaim, ("radius", "unique_radius", "witness")),
    "rank_one": (RankOneClaim, ()),
    "index": (IndexClaim, ("index", "witness")),
    "strict_saddle": (StrictSaddleClaim, ("radius", "curvature", "direction")),
    "global_minimum": (GlobalMinimumClaim, ("witness",)),
    "gap": (GapClaim, ("gap", "shifts", "witness")),
    "collapsed": (CollapsedClaim, ("radius", "target", "witness")),
    "spurious": (SpuriousClaim, ("lower_point", "margin")),
    "degenerate": (DegenerateClaim, ("lower_point", "margin")),
    "well_classified": (WellClassifiedClaim, ("radius",)),
    "least_loss": (LeastLossClaim, ("radius", "witness")),
    "shared_loss": (SharedLossClaim, ("radius", "witness")),
    "equal_features": (EqualFeaturesClaim, ("radius",)),
    "frame": (FrameClaim, ("radius", "mirror", "sides", "witness")),
    "benign": (BenignClaim, ("theorem", "formal")),
}


def write_certificate(path: str | os.PathLike[str], certificate: Certificate) -> None:
    """Write a certificate: under a temporary name first, so that no half file is ever seen.

    ``path``: replaced if it exists.  Raises OutputError if the file cannot be written.
    """
    write_text(path, certificate_to_json(certificate))


def read_certificate(path: str | os.PathLike[str]) -> Certificate:
    """Read a certificate file. Nothing in it is believed.

    Raises UnreadableFileError if the file is missing, too large, or not of the format; the message says
    where.
    """
    try:
        return _from_bytes(read_file(Path(path)))
    except (CheckError, InvalidInputError) as error:
        raise UnreadableFileError(f"path={str(path)!r} is no certificate: {error}") from error


def certificate_from_json(text: str) -> Certificate:
    """Return the certificate that a file's text states.

    Raises InvalidInputError if anything is not as the format says.
    """
    try:
        return _from_bytes(text.encode())
    except CheckError as error:
        raise InvalidInputError(f"this is no certificate: {error}") from error


def certificate_to_json(certificate: Certificate) -> str:
    """Return the file's text.

    Examples
    --------
    >>> instance = ExactInstance(classes=2, dim=3, class_sizes=(1, 1), tau=Fraction(1))
    >>> text = certificate_to_json(Certificate(instance=instance, point=None, claims=(BenignClaim(),)))
    >>> certificate_from_json(text).claims
    (BenignClaim(theorem='S', formal='benign_S'),)
    """
    document: dict[str, Any] = {
        "format": FORMAT,
        "producer": {"name": certificate.producer[0], "version": certificate.producer[1]},
        "instance": certificate.instance.to_json(),
        "point": _to_json(certificate.point),
        "claims": [_claim_to_json(claim) for claim in certificate.claims],
    }
    hints: dict[str, Any] = {}
    if certificate.precision is not None:
        hints["precision"] = certificate.precision
    if certificate.cost is not None:
        hints["cost"] = exact_text(Fraction(certificate.cost))
    if hints:
        document["hints"] = hints
    if certificate.reason:
        document["reason"] = certificate.reason[:2000]
    return json.dumps(document, ensure_ascii=True, indent=None, separators=(", ", ": ")) + "\n"


def claim_name(claim: Claim) -> str:
    """Return the name of a claim in the format."""
    return next(key for key, (kind, _) in CLAIMS.items() if isinstance(claim, kind))


def _claim_to_json(claim: Claim) -> dict[str, Any]:
    """Return a claim's object."""
    name = claim_name(claim)
    return {"type": name, **{field: _to_json(getattr(claim, field)) for field in CLAIMS[name][1]}}


def _to_json(value: Any) -> Any:
    """Return one field."""
    if isinstance(value, Fraction):
        return exact_text(value)
    if isinstance(value, Witness):
        return value.to_json()
    if isinstance(value, ExactPoint):
        groups = None if value.groups is None else [[list(pair) for pair in group] for group in value.groups]
        scales = list(value.scales or (0,) * len(value.columns))
        return {"rank": value.rank, "columns": _to_json(value.columns), "groups": groups, "scales": scales}
    return [_to_json(part) for part in value] if isinstance(value, tuple) else value


def _from_bytes(data: bytes) -> Certificate:
    """Make data of what the checker's reader accepts."""
    file, p, point, claims = read_certificate_file(data)
    if p.program:
        program = tuple(
            tuple(str(word) if isinstance(word, Fraction) else word for word in step) for step in p.program
        )
        instance: Instance = ExpressionInstance(dim=p.dim, columns=p.columns, program=program)
    else:
        given = file["instance"]
        sizes, labels = given.get("class_sizes"), given.get("labels")
        instance = ExactInstance(
            classes=p.classes,
            dim=p.dim,
            class_sizes=None if sizes is None else tuple(sizes),
            labels=None if labels is None else tuple(labels),
            tau=max(p.taus),
            rates=tuple(t / max(p.taus) for t in p.taus) if isinstance(given["tau"], list) else None,
            weights=None if given["weights"] is None else tuple(p.weights),
            loss=p.loss,
            parameters=tuple((key, _tuples(value)) for key, value in p.parameters.items()),
            bias=p.bias,
        )
    hints = file.get("hints", {})
    cost = hints.get("cost")
    return Certificate(
        instance=instance,
        point=None if point is None else _point(point, file["point"]),
        claims=tuple(_claim(claim, claims[claim["type"]]) for claim in file["claims"]),
        precision=hints.get("precision"),
        cost=None if cost is None else _nearest_float(cost),
        reason=file.get("reason", ""),
        producer=(file["producer"]["name"], file["producer"]["version"]),
    )


def _point(point: Any, raw: dict[str, Any]) -> ExactPoint:
    """A point that was read, with the ranges of its groups as they stand in the file."""
    groups = raw["groups"]
    return ExactPoint(
        columns=tuple(map(tuple, point.columns)),
        groups=None if groups is None else tuple(tuple((a, b) for a, b in group) for group in groups),
        scales=tuple(point.scales),
    )


def _claim(raw: dict[str, Any], found: dict[str, Any]) -> Claim:
    """A claim that was read."""
    kind, fields = CLAIMS[raw["type"]]
    claim: Claim = kind(**{field: _field(field, raw[field], found[field]) for field in fields})
    return claim


def _field(name: str, raw: Any, found: Any) -> Any:
    """One field of a claim."""
    if name == "witness":
        return tuple(None if item is None else _witness(item) for item in raw)
    if name == "lower_point":
        return _point(found, raw)
    return _tuples(found)


def _tuples(value: Any) -> Any:
    """Lists, nested or not, as tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _witness(raw: list[Any]) -> Witness:
    """A witness that was read."""
    minus, width, exponents, data = raw
    return Witness(minus=minus, width=width, exponents=tuple(exponents), data=base64.b64decode(data))


def _nearest_float(value: Fraction) -> float:
    """Return a number as a float, infinite beyond its range."""
    try:
        return float(value)
    except OverflowError:
        return float("inf")
