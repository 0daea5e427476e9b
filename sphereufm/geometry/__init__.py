"""Products of spheres: points, tangent spaces, random points; and in ``symmetry`` the groups that act on them.

In: arrays ``(..., d, M)`` of unit columns.  Out: arrays, groups, alignments.
Calls nothing but the ground; every other room may call it.
"""
