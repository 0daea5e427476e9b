"""Critical points with prescribed symmetry, inside the fixed-point spaces of block permutations.

In: a problem.  Out: small problems on the spaces, and their points lifted back.
Calls ``problem`` and ``geometry``; ``landscape`` calls it.
"""
