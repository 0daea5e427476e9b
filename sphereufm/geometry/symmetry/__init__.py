"""Groups that act on products of spheres: rotations, permutations of columns; and what is the same modulo them.

In: points ``(d, M)`` and a :class:`~sphereufm.geometry.symmetry.groups.SymmetryGroup`.
Out: alignments, invariants, isotropy groups, fixed-point spaces.
Calls the rest of ``geometry``; the problem and every room above may call it.
"""
