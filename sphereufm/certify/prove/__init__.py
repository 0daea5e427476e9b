"""Provers: each module proposes one kind of claim, in the checker's own calculus.

In: an exact instance and a point in floating point.  Out: certificates, candidates until a checker accepts them.
Calls ``certify.checker`` and the exact data of ``certify``; only ``certify`` calls it.
"""

from sphereufm.certify.prove.point import prove_benign, prove_gap, prove_point

__all__ = ["prove_benign", "prove_gap", "prove_point"]
