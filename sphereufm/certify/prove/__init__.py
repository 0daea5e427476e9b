"""Provers: each module proposes one kind of claim, in the checker's own calculus.

What they return are candidates until a checker accepts them.
"""

from sphereufm.certify.prove.point import prove_benign, prove_gap, prove_point

__all__ = ["prove_benign", "prove_gap", "prove_point"]
