"""The public face: one certificate in, its claims with their statuses out."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from sphereufm.certify.checker.claims import CHECKS
from sphereufm.certify.checker.families import FAMILIES
from sphereufm.certify.checker.integers import Integers
from sphereufm.certify.checker.kernel import Arb, CheckError, Refuted, Undecided
from sphereufm.certify.checker.place import Place
from sphereufm.certify.checker.reading import LARGEST_FILE, Point, read_certificate, refuse_if
from sphereufm.certify.checker.words import canonical, fingerprint, in_words, said

LEVELS = (128, 256, 512)
BACKENDS: dict[str, Callable[..., Any]] = {"flint": Arb, "integers": Integers}


@dataclass(frozen=True, kw_only=True)
class ClaimResult:
    """One claim: its type, its status, and what was verified, in words."""

    type: str
    status: str
    text: str


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """A certificate; PROVED only where all claims are, and together make a sentence about an existing point.

    ``instance`` says what it is about, and ``sha256`` tells two instances apart.
    """

    status: str
    row: str
    claims: tuple[ClaimResult, ...]
    backend: str = "flint"
    reason: str = ""
    instance: str = ""
    sha256: str = ""


def statuses(at: Place) -> dict[str, tuple[str, str]]:
    """Status and words of every claim; those about X* wait for its existence."""
    found = {}
    for kind, check in (CHECKS | FAMILIES).items():
        claim = at.claims.get(kind)
        if claim is None:
            continue
        try:
            found[kind] = "PROVED", said(at, claim, check(at, claim))
        except Refuted as reason:
            found[kind] = "REFUTED", str(reason)
        except (Undecided, ArithmeticError, ValueError) as reason:
            found[kind] = "UNDECIDED", str(reason)[:300] or type(reason).__name__
        except (LookupError, TypeError, AttributeError, MemoryError, RecursionError) as defect:
            # a defect of this file decides nothing, and stops nothing else
            found[kind] = "UNDECIDED", f"an internal error of the checker: {type(defect).__name__}"
        at.status[kind] = found[kind][0]
    return found


def sentence(statuses: dict[str, str], claims: dict[str, Any]) -> tuple[str, str]:
    """Section 8: what the claims say together; PROVED only of a point that is proved to exist."""
    found = {*statuses.values()}
    if "REFUTED" in found:
        return "REFUTED", "a claim is refuted"
    if found != {"PROVED"}:
        return "UNDECIDED", "not every claim is proved" if found else "there is no claim"
    exists, index = claims.keys() & {"critical", "rank_one"}, claims.get("index", {}).get("index", -1)
    radius, reach = (
        claims.get(kind, {}).get("radius", Fraction(0)) for kind in ("critical", "strict_saddle")
    )
    saddle = index > 0 or ("strict_saddle" in claims and radius <= reach)
    # and so does an exact member of a family near by, in the same span
    member = claims.keys() - {"strict_saddle"} in ({"shared_loss"}, {"equal_features"})
    near = member and max(c["radius"] for c in claims.values()) == reach > 0
    well = index == 0 and radius <= claims.get("well_classified", {}).get("radius", -1)
    # what is proved of another point near the stored one is no sentence about X*
    rows = [
        ({*claims} == {"collapsed"}, "member of the collapsed family, a strict saddle"),
        ({*claims} == {"least_loss"}, "global minimiser"),
        (
            {*claims} == {"degenerate"},
            "degenerate critical point, neither a strict saddle nor a global minimiser",
        ),
        (exists and ("global_minimum" in claims or well), "global minimiser"),
        (exists and "spurious" in claims, "spurious local minimiser"),
        ((exists and saddle) or near, "strict saddle"),
        (exists and index == 0, "local minimiser"),
        ("gap" in claims, "optimality gap"),
        ({*claims} == {"rank_one"}, "critical point of rank one"),
        ({*claims} == {"benign"}, "benign instance, BY_THEOREM"),
    ]
    none = "UNDECIDED", "the claims make no sentence about an existing point"
    return next((("PROVED", row) for holds, row in rows if holds), none)


def check_bytes(data: bytes, backend: str = "flint") -> CheckResult:
    """Check a certificate.

    Parameters
    ----------
    data : bytes
        The file's content.
    backend : str
        ``"flint"``, or ``"integers"`` for small instances.

    Returns
    -------
    CheckResult

    Raises
    ------
    CheckError
        If the bytes are no certificate of this format, or the backend is unknown.

    Examples
    --------
    >>> check_bytes(b"{}")
    Traceback (most recent call last):
    ...
    sphereufm.certify.checker.kernel.CheckError: certificate lacks claims, format, instance, point, producer
    """
    if backend not in BACKENDS:
        raise CheckError(f"backend={backend!r} must be one of {', '.join(BACKENDS)}")
    file, p, point, claims = read_certificate(data)
    first = min(file.get("hints", {}).get("precision", 0), LEVELS[-1])
    found: dict[str, tuple[str, str]] = {}
    spent = 0.0
    for bits in [b for b in LEVELS if b >= first]:
        arithmetic = BACKENDS[backend](bits, spent)
        with arithmetic:
            found = statuses(Place(arithmetic, p, point or Point(1, [], [], []), claims))
        spent = arithmetic.spent
        if all(status != "UNDECIDED" for status, _ in found.values()) or spent > arithmetic.most:
            break
    status, row = sentence({kind: status for kind, (status, _) in found.items()}, claims)
    results = tuple(ClaimResult(type=kind, status=found[kind][0], text=found[kind][1]) for kind in claims)
    instance = canonical(p)
    shown = {
        "reason": file.get("reason", ""),
        "instance": in_words(instance),
        "sha256": fingerprint(instance),
    }
    return CheckResult(status=status, row=row, claims=results, backend=backend, **shown)


def read_file(path: str | Path) -> bytes:
    """Content of a regular file, at most one byte more than is allowed."""
    try:
        with open(
            path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
        ) as file:
            # a pipe to which nobody writes must not keep us waiting
            refuse_if(not stat.S_ISREG(os.fstat(file.fileno()).st_mode), "cannot be read: not a regular file")
            return file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise CheckError(f"cannot be read: {error.strerror}") from None


def check_file(path: str | Path, backend: str = "flint") -> CheckResult:
    """Check a certificate in a file; see :func:`check_bytes`.

    Raises CheckError if the file cannot be read, or is no certificate of this format.
    """
    return check_bytes(read_file(path), backend)
