"""Provers: each module proposes one kind of claim and verifies it in ball arithmetic.

What they return are candidates until a checker accepts them.
"""

from sphereufm.certify.prove.expression import prove_expression
from sphereufm.certify.prove.point import prove_benign, prove_gap, prove_point

__all__ = ["prove_benign", "prove_expression", "prove_gap", "prove_point"]
