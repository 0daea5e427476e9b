"""Certificates as data: exact points and claims about an exact instance.

A certificate states theorems about one explicit point, or about one instance; ``docs/certificates.md`` says
what each claim states. The types here hold exact numbers only (:class:`fractions.Fraction`). They carry no
status: whether a claim is PROVED is for the independent checker to say.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.certify.instances import Instance
from sphereufm.certify.witness import Witness

Groups = tuple[tuple[tuple[int, int], ...], ...]


class ProofStatus(enum.Enum):
    """What a checker found out about a claim."""

    PROVED = "PROVED"
    REFUTED = "REFUTED"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True, kw_only=True)
class ExactPoint:
    """A point in its own R^r, columns of samples that share a feature stored once."""

    #: ``K + g`` columns of r dyadic numbers: w_1 .. w_K, then one feature per group.
    columns: tuple[tuple[Fraction, ...], ...]
    groups: Groups | None = None  #: samples of each group; None when every feature is its own sample
    #: ``k_j`` for each column, whose gradient is about ``4^(k_j)``: the units in which claims are verified.
    scales: tuple[int, ...] | None = None

    @property
    def rank(self) -> int:
        """Number of rows stored."""
        return len(self.columns[0])

    @property
    def array(self) -> NDArray[np.float64]:
        """The columns in floats, shape (r, K + g)."""
        return np.array([[float(x) for x in column] for column in self.columns]).T


@dataclass(frozen=True, kw_only=True)
class CriticalClaim:
    """An exact critical point lies within ``radius``, the only one within ``unique_radius`` that is aligned with it."""

    radius: Fraction
    unique_radius: Fraction
    witness: tuple[Witness, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RankOneClaim:
    """The point is a sign pattern, hence exactly critical."""


@dataclass(frozen=True, kw_only=True)
class IndexClaim:
    """The Morse index in R^d, with a kernel that is the orbit's tangent space and no more."""

    index: int
    witness: tuple[Witness, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StrictSaddleClaim:
    """Every critical point within ``radius`` has a Hessian eigenvalue below ``curvature`` (negative).

    ``direction`` has a column for each of the point's, with one entry more where it leaves the point's span.
    """

    radius: Fraction
    curvature: Fraction
    direction: tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True, kw_only=True)
class GlobalMinimumClaim:
    """The critical point is a global minimiser in every dimension."""

    witness: tuple[Witness, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GapClaim:
    """The cost at the normalised point exceeds the minimum by at most ``gap`` nats."""

    gap: Fraction
    shifts: tuple[Fraction, ...]
    witness: tuple[Witness, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CollapsedClaim:
    """An exact member of the collapsed family, a strict saddle, lies within ``radius``."""

    radius: Fraction
    target: tuple[Fraction, ...]
    witness: tuple[Witness | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SpuriousClaim:
    """The critical point is a strict local minimiser, and ``lower_point`` lies lower by more than ``margin`` nats."""

    lower_point: ExactPoint
    margin: Fraction


@dataclass(frozen=True, kw_only=True)
class DegenerateClaim:
    """The stored point is critical, with a semidefinite Hessian; ``lower_point`` is lower by ``margin`` nats."""

    lower_point: ExactPoint
    margin: Fraction


@dataclass(frozen=True, kw_only=True)
class WellClassifiedClaim:
    """Every critical point within ``radius`` is global, or a strict saddle (Theorem F)."""

    radius: Fraction


@dataclass(frozen=True, kw_only=True)
class LeastLossClaim:
    """Within ``radius`` lies an exact point at which every sample's loss is the least for any logits."""

    radius: Fraction
    witness: tuple[Witness | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SharedLossClaim:
    """An exact critical point lies within ``radius``: its losses are least where classes of one classifier are one."""

    radius: Fraction
    witness: tuple[Witness | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EqualFeaturesClaim:
    """An exact critical point of equal features lies within ``radius``, at the best bias."""

    radius: Fraction


@dataclass(frozen=True, kw_only=True)
class FrameClaim:
    """An exact critical point of squared error within ``radius``: features are ``sides_k diag(mirror) w_k``."""

    radius: Fraction
    mirror: tuple[Fraction, ...]
    sides: tuple[Fraction, ...]
    witness: tuple[Witness | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BenignClaim:
    """A theorem applies: every critical point is a global minimiser or a strict saddle.

    ``theorem`` is its name, ``formal`` that of the statement that is proved formally in ``docs/formal``.
    """

    theorem: str = "S"
    formal: str = "benign_S"


Claim = (
    CriticalClaim
    | RankOneClaim
    | IndexClaim
    | StrictSaddleClaim
    | GlobalMinimumClaim
    | GapClaim
    | CollapsedClaim
    | SpuriousClaim
    | DegenerateClaim
    | WellClassifiedClaim
    | LeastLossClaim
    | SharedLossClaim
    | EqualFeaturesClaim
    | FrameClaim
    | BenignClaim
)


def claim_name(kind: type[Any]) -> str:
    """Return the name of a type of claims in files."""
    return re.sub("(?<!^)(?=[A-Z])", "_", kind.__name__.removesuffix("Claim")).lower()


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What a certificate file holds. A candidate until a checker accepts it."""

    instance: Instance
    point: ExactPoint | None  #: None for claims about the instance alone
    claims: tuple[Claim, ...]  #: empty when the prover could not decide anything
    precision: int | None = None  #: bits at which the prover succeeded; a hint
    cost: float | None = None  #: cost at the point in nats, in floats; a hint
    reason: str = ""  #: what was left undecided, and why
    producer: tuple[str, str] = ("sphereufm", "0")  #: name and version

    def __repr__(self) -> str:
        names = ", ".join(type(claim).__name__.removesuffix("Claim") for claim in self.claims) or "nothing"
        return f"<Certificate, not checked here, that claims {names}>"

    def find(self, kind: type[Any]) -> Any:
        """Return the claim of a given type, or None."""
        return next((claim for claim in self.claims if isinstance(claim, kind)), None)
