"""Certificates as JSON text: the format ``sphereufm-certificate/2`` of ``docs/certificates.md``.

There is one strict reader, the checker's; :func:`read_certificate` makes data of what that accepts.  What a certificate
proves is for the checker to say.
"""

from __future__ import annotations

import base64
import json
import math
import os
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

from sphereufm.certify.certificate import Certificate, Claim, ExactPoint, claim_name
from sphereufm.certify.checker.face import read_file
from sphereufm.certify.checker.kernel import CheckError
from sphereufm.certify.checker.reading import FORMAT
from sphereufm.certify.checker.reading import read_certificate as read_certificate_file
from sphereufm.certify.exact import exact_text
from sphereufm.certify.instances import ExactInstance, ExpressionInstance, Instance
from sphereufm.certify.witness import Witness
from sphereufm.errors import InvalidInputError, UnreadableFileError
from sphereufm.files import write_text

# types of claims by name; their fields are written in the order of the class
CLAIMS: dict[str, type[Any]] = {claim_name(kind): kind for kind in get_args(Claim)}


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
    >>> from sphereufm.certify import BenignClaim
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
    cost = None if certificate.cost is None else exact_text(Fraction(certificate.cost))
    hints = {"precision": certificate.precision, "cost": cost}
    if any(hint is not None for hint in hints.values()):
        document["hints"] = {key: hint for key, hint in hints.items() if hint is not None}
    if certificate.reason:
        document["reason"] = certificate.reason[:2000]
    return json.dumps(document, ensure_ascii=True, indent=None, separators=(", ", ": ")) + "\n"


def _claim_to_json(claim: Claim) -> dict[str, Any]:
    """Return a claim's object."""
    return {"type": claim_name(type(claim))} | {
        f.name: _to_json(getattr(claim, f.name)) for f in fields(claim)
    }


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
        steps = ([str(word) if isinstance(word, Fraction) else word for word in step] for step in p.program)
        program = tuple(map(tuple, steps))
        instance: Instance = ExpressionInstance(dim=p.dim, columns=p.columns, program=program)
    else:
        given = file["instance"]
        instance = ExactInstance(
            classes=p.classes,
            dim=p.dim,
            class_sizes=_tuples(given.get("class_sizes")),
            labels=_tuples(given.get("labels")),
            tau=max(p.taus),
            rates=tuple(t / max(p.taus) for t in p.taus) if isinstance(given["tau"], list) else None,
            weights=None if given["weights"] is None else tuple(p.weights),
            loss=p.loss,
            parameters=tuple((key, _tuples(value)) for key, value in p.parameters.items()),
            bias=p.bias,
        )
    hints, producer = file.get("hints", {}), file["producer"]
    cost = hints.get("cost")
    return Certificate(
        instance=instance,
        point=None if point is None else _point(point, file["point"]),
        claims=tuple(_claim(claim, claims[claim["type"]]) for claim in file["claims"]),
        precision=hints.get("precision"),
        cost=None if cost is None else float(cost) if abs(cost) < 2**1023 else math.copysign(math.inf, cost),
        reason=file.get("reason", ""),
        producer=(producer["name"], producer["version"]),
    )


def _point(point: Any, raw: dict[str, Any]) -> ExactPoint:
    """A point that was read, with the ranges of its groups as they stand in the file."""
    return ExactPoint(
        columns=_tuples(point.columns), groups=_tuples(raw["groups"]), scales=tuple(point.scales)
    )


def _claim(raw: dict[str, Any], found: dict[str, Any]) -> Claim:
    """A claim that was read."""
    values = {name: _tuples(value) for name, value in found.items() if name != "type"}
    if "witness" in raw:
        values["witness"] = tuple(None if item is None else _witness(item) for item in raw["witness"])
    if "lower_point" in raw:
        values["lower_point"] = _point(found["lower_point"], raw["lower_point"])
    claim: Claim = CLAIMS[raw["type"]](**values)
    return claim


def _tuples(value: Any) -> Any:
    """Lists, nested or not, as tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _witness(raw: list[Any]) -> Witness:
    """A witness that was read."""
    minus, width, exponents, data = raw
    return Witness(minus=minus, width=width, exponents=tuple(exponents), data=base64.b64decode(data))
