"""Certificates as JSON text: the format ``sphereufm-certificate/1`` of ``docs/certificates.md``.

The reader is strict: sizes, nesting, duplicate or unknown keys, and every number's form are checked before a
certificate exists. It is used to show and to carry certificates; what they prove is for the checker, which has
a reader of its own.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
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
from sphereufm.certify.exact import dyadic_text, parse_dyadic, parse_rational, rational_text
from sphereufm.certify.json_strict import (
    bounded_text,
    check_keys,
    dyadics,
    integer,
    integers,
    items,
    parse_strictly,
    sample_range,
)
from sphereufm.errors import InvalidInputError, OutputError, UnreadableFileError

__all__ = [
    "certificate_from_json",
    "certificate_to_json",
    "claim_name",
    "read_certificate",
    "write_certificate",
]

FORMAT = "sphereufm-certificate/1"
MAX_BYTES = 16 * 1024 * 1024

CLAIM_NAMES: dict[str, type[Any]] = {
    "critical": CriticalClaim,
    "rank_one": RankOneClaim,
    "index": IndexClaim,
    "strict_saddle": StrictSaddleClaim,
    "global_minimum": GlobalMinimumClaim,
    "gap": GapClaim,
    "collapsed": CollapsedClaim,
    "spurious": SpuriousClaim,
    "degenerate": DegenerateClaim,
    "benign": BenignClaim,
}
CLAIM_FIELDS = {
    "critical": ("radius", "unique_radius"),
    "index": ("index",),
    "strict_saddle": ("radius", "curvature", "form", "direction", "group"),
    "gap": ("gap", "shifts"),
    "collapsed": ("radius", "target"),
    "spurious": ("lower_point", "margin"),
    "degenerate": ("lower_point", "margin"),
    "benign": ("theorem", "basis"),
}


def write_certificate(path: str | os.PathLike[str], certificate: Certificate) -> None:
    """Write a certificate: under a temporary name first, so that no half file is ever seen.

    Parameters
    ----------
    path : path-like
        Replaced if it exists.
    certificate : Certificate

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(certificate_to_json(certificate))
            os.chmod(name, 0o644)
            os.replace(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(f"path={str(path)!r} cannot be written: {error}") from error


def read_certificate(path: str | os.PathLike[str]) -> Certificate:
    """Read a certificate file. Nothing in it is believed.

    Raises
    ------
    UnreadableFileError
        If the file is missing, too large, or not of the format; the message says where.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableFileError(f"path={str(path)!r} cannot be read: {error}") from error
    if len(data) > MAX_BYTES:
        raise UnreadableFileError(
            f"path={str(path)!r} is larger than {MAX_BYTES} bytes; certificates are small"
        )
    try:
        return certificate_from_json(data.decode("utf-8"))
    except (InvalidInputError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"path={str(path)!r} is no certificate: {error}") from error


def certificate_to_json(certificate: Certificate) -> str:
    """Return the file's text.

    Examples
    --------
    >>> instance = ExactInstance(classes=2, dim=3, class_sizes=(1, 1), tau=Fraction(1))
    >>> text = certificate_to_json(Certificate(instance=instance, point=None, claims=(BenignClaim(),)))
    >>> certificate_from_json(text).claims
    (BenignClaim(theorem='S', basis='BY_THEOREM'),)
    """
    point = certificate.point
    document: dict[str, Any] = {
        "format": FORMAT,
        "producer": {"name": certificate.producer[0], "version": certificate.producer[1]},
        "instance": instance_to_json(certificate.instance),
        "point": None if point is None else _point_to_json(point),
        "claims": [_claim_to_json(claim) for claim in certificate.claims],
    }
    hints: dict[str, Any] = {}
    if certificate.precision is not None:
        hints["precision"] = certificate.precision
    if certificate.cost is not None:
        hints["cost"] = dyadic_text(Fraction(certificate.cost))
    if hints:
        document["hints"] = hints
    if certificate.reason:
        document["reason"] = certificate.reason[:2000]
    return json.dumps(document, ensure_ascii=True, indent=None, separators=(", ", ": ")) + "\n"


def certificate_from_json(text: str) -> Certificate:
    """Return the certificate that a file's text states.

    Raises
    ------
    InvalidInputError
        If anything is not as the format says.
    """
    document = parse_strictly(text)
    required = ("format", "producer", "instance", "point", "claims")
    check_keys("the certificate", document, required, ("hints", "reason"))
    if document["format"] != FORMAT:
        raise InvalidInputError(f"format={str(document['format'])[:60]!r} must be {FORMAT!r}")
    producer, hints = document["producer"], document.get("hints", {})
    check_keys("producer", producer, ("name", "version"))
    check_keys("hints", hints, (), ("precision", "cost"))
    claims = tuple(_claim_from_json(entry) for entry in items("claims", document["claims"]))
    if len(claims) > 16 or len({type(claim) for claim in claims}) < len(claims):
        raise InvalidInputError("claims must be at most 16, no type twice")
    point, cost, bits = document["point"], hints.get("cost"), hints.get("precision")
    return Certificate(
        instance=_instance_from_json(document["instance"]),
        point=None if point is None else _point_from_json(point),
        claims=claims,
        precision=None if bits is None else integer("precision", bits),
        cost=None if cost is None else _nearest_float(parse_dyadic(cost)),
        reason=bounded_text("reason", document.get("reason", ""), 2000),
        producer=(
            bounded_text("name", producer["name"], 200),
            bounded_text("version", producer["version"], 200),
        ),
    )


def instance_to_json(instance: ExactInstance | ExpressionInstance) -> dict[str, Any]:
    """Return the instance's object."""
    if isinstance(instance, ExpressionInstance):
        return {
            "kind": "expression",
            "dim": instance.dim,
            "columns": instance.columns,
            "program": [list(instruction) for instruction in instance.program],
        }
    samples = {"class_sizes": instance.class_sizes, "labels": instance.labels}
    return {
        "kind": "ufm",
        "classes": instance.classes,
        "dim": instance.dim,
        **{key: list(value) for key, value in samples.items() if value is not None},
        "tau": rational_text(instance.tau),
        "weights": None if instance.weights is None else [rational_text(w) for w in instance.weights],
        "loss": instance.loss,
    }


def _instance_from_json(entry: Any) -> ExactInstance | ExpressionInstance:
    """Read the instance's object."""
    if isinstance(entry, dict) and entry.get("kind") == "expression":
        check_keys("instance", entry, ("kind", "dim", "columns", "program"))
        program = tuple(tuple(items("instruction", i)) for i in items("program", entry["program"]))
        return ExpressionInstance(
            dim=integer("dim", entry["dim"]), columns=integer("columns", entry["columns"]), program=program
        )
    check_keys(
        "instance", entry, ("kind", "classes", "dim", "tau", "weights", "loss"), ("class_sizes", "labels")
    )
    if entry["kind"] != "ufm":
        raise InvalidInputError(f"kind={str(entry['kind'])[:60]!r} must be 'ufm' or 'expression'")
    weights = entry["weights"]
    return ExactInstance(
        classes=integer("classes", entry["classes"]),
        dim=integer("dim", entry["dim"]),
        class_sizes=integers("class_sizes", entry["class_sizes"]) if "class_sizes" in entry else None,
        labels=integers("labels", entry["labels"]) if "labels" in entry else None,
        tau=parse_rational(entry["tau"]),
        weights=None if weights is None else tuple(parse_rational(w) for w in items("weights", weights)),
        loss=bounded_text("loss", entry["loss"], 60),
    )


def _point_to_json(point: ExactPoint) -> dict[str, Any]:
    """Return a point's object."""
    groups = None if point.groups is None else [[list(pair) for pair in group] for group in point.groups]
    columns = [[dyadic_text(value) for value in column] for column in point.columns]
    return {"rank": point.rank, "columns": columns, "groups": groups}


def _point_from_json(entry: Any) -> ExactPoint:
    """Read a point's object."""
    check_keys("point", entry, ("rank", "columns", "groups"))
    columns = tuple(dyadics("column", column) for column in items("columns", entry["columns"]))
    rank = integer("rank", entry["rank"])
    if rank < 1 or not columns or any(len(column) != rank for column in columns):
        raise InvalidInputError(f"columns must be at least one, each of rank={rank} numbers")
    groups = entry["groups"]
    if groups is not None:
        groups = tuple(
            tuple(sample_range(pair) for pair in items("group", group)) for group in items("groups", groups)
        )
    return ExactPoint(columns=columns, groups=groups)


def _claim_to_json(claim: Claim) -> dict[str, Any]:
    """Return a claim's object."""
    name = claim_name(claim)
    fields = {field: getattr(claim, field) for field in CLAIM_FIELDS.get(name, ())}
    return {
        "type": name,
        **{field: _value_to_json(value) for field, value in fields.items() if value is not None},
    }


def claim_name(claim: Claim) -> str:
    """Return the name of a claim in the format."""
    return next(key for key, kind in CLAIM_NAMES.items() if isinstance(claim, kind))


def _value_to_json(value: Any) -> Any:
    """Return one field of a claim."""
    if isinstance(value, Fraction):
        return dyadic_text(value)
    if isinstance(value, ExactPoint):
        return _point_to_json(value)
    return [_value_to_json(part) for part in value] if isinstance(value, tuple) else value


def _claim_from_json(entry: Any) -> Claim:
    """Read a claim's object."""
    name = entry.get("type") if isinstance(entry, dict) else None
    if not isinstance(name, str) or name not in CLAIM_NAMES:
        raise InvalidInputError(f"claim type={str(name)[:60]!r} must be one of {', '.join(CLAIM_NAMES)}")
    fields = CLAIM_FIELDS.get(name, ())
    if name == "strict_saddle":
        fields = _saddle_fields(entry)
    check_keys(f"claim {name}", entry, ("type", *fields))
    claim: Claim = CLAIM_NAMES[name](**{field: READERS[field](field, entry[field]) for field in fields})
    if isinstance(claim, StrictSaddleClaim) and claim.form == "tangent":
        items("direction", entry["direction"])
    return claim


def _saddle_fields(entry: dict[str, Any]) -> tuple[str, ...]:
    """Return the fields that a form of the strict-saddle claim has."""
    extra = {
        "tangent": ("direction",),
        "normal": ("direction",),
        "split_tangent": ("group", "direction"),
        "split_normal": ("group",),
    }
    form = entry.get("form")
    if not isinstance(form, str) or form not in extra:
        raise InvalidInputError(f"form={str(form)[:60]!r} must be one of {', '.join(extra)}")
    return ("radius", "curvature", "form", *extra[form])


def _direction(name: str, value: Any) -> tuple[Any, ...]:
    """Read a direction: numbers, or columns of numbers."""
    entries = items(name, value)
    if entries and all(isinstance(entry, list) for entry in entries):
        return tuple(dyadics(name, entry) for entry in entries)
    return dyadics(name, value)


def _nearest_float(value: Fraction) -> float:
    """Return a dyadic as a float, infinite beyond its range."""
    try:
        return float(value)
    except OverflowError:
        return float("inf")


READERS: dict[str, Callable[[str, Any], Any]] = {
    "radius": lambda _, value: parse_dyadic(value),
    "unique_radius": lambda _, value: parse_dyadic(value),
    "curvature": lambda _, value: parse_dyadic(value),
    "gap": lambda _, value: parse_dyadic(value),
    "margin": lambda _, value: parse_dyadic(value),
    "index": integer,
    "group": integer,
    "form": lambda name, value: bounded_text(name, value, 60),
    "theorem": lambda name, value: bounded_text(name, value, 60),
    "basis": lambda name, value: bounded_text(name, value, 60),
    "direction": _direction,
    "shifts": dyadics,
    "target": dyadics,
    "lower_point": lambda _, value: _point_from_json(value),
}
