"""Thresholds of floating point that several rooms share, each with its source.

None of them decides a proof: what rests on them is numerical.  Thresholds of one algorithm stand beside it.
"""

from __future__ import annotations

import sys

# A singular value counts for the rank when it exceeds this fraction of the largest: searches leave columns wrong by
# about the square root of their tolerance 1e-12 where a point is degenerate.
RANK_TOLERANCE = 1e-6

# An eigenvalue of the Hessian, columns in their gradient's scale, counts as zero below this fraction of the largest: a
# point critical to 1e-12 has eigenvalues right to some hundred times that.
ZERO_TOLERANCE = 1e-9

# Relative; costs closer than this are of one critical value: a cost is wrong by the square of a point's error, beside
# the rounding of its sums.
SAME_COST = 1e-9

# Relative; points whose costs are closer may lie in one orbit: a filter, the alignment decides.
CANDIDATE_COST = 1e-7

# Relative; a point belongs to a family of known cost if its own is as close: members are met while a search is still on
# its way along the family, where a cost is not stationary to second order in every direction.
FAMILY_COST = 1e-8

# Relative; a difference of two costs below this is the rounding of their subtraction.
COST_ROUNDING = 1e-14

# A column's norm may be off one by this: files round to eight digits or more.
OFF_SPHERE = 1e-8

# So many roundings of a double are still rounding, in sums of a few hundred terms.
ROUNDINGS = 1e3 * sys.float_info.epsilon

# What is left of an inner product of unit columns that are equal, after a chain of rotations.
ALIGNMENT_ROUNDING = 1e-12
