"""Certificates in ball arithmetic: exact statements about explicit points, in files that anyone can re-check.

The provers write *candidates*; a claim is PROVED when the independent checker accepts it.

In: exact instances and floating-point candidates.  Out: certificates, files, checked sentences.
Calls nothing that searches; landscapes, complete lists and the command line call it.
"""

from sphereufm.certify.certificate import (
    BenignClaim,
    Certificate,
    Claim,
    CollapsedClaim,
    CriticalClaim,
    DegenerateClaim,
    ExactPoint,
    GapClaim,
    GlobalMinimumClaim,
    IndexClaim,
    ProofStatus,
    RankOneClaim,
    SpuriousClaim,
    StrictSaddleClaim,
)
from sphereufm.certify.instances import ExactInstance, ExpressionInstance
from sphereufm.certify.json_format import read_certificate, write_certificate
from sphereufm.certify.prove import prove_benign, prove_gap, prove_point

__all__ = [
    "BenignClaim",
    "Certificate",
    "Claim",
    "CollapsedClaim",
    "CriticalClaim",
    "DegenerateClaim",
    "ExactInstance",
    "ExactPoint",
    "ExpressionInstance",
    "GapClaim",
    "GlobalMinimumClaim",
    "IndexClaim",
    "ProofStatus",
    "RankOneClaim",
    "SpuriousClaim",
    "StrictSaddleClaim",
    "prove_benign",
    "prove_gap",
    "prove_point",
    "read_certificate",
    "write_certificate",
]
