"""What a cost of unknown make is given: scales, Hessian products by differences, a check of its declared symmetry.

In: a cost, perhaps without gradient or Hessian.  Out: a problem as all others.
Calls ``problem`` and ``geometry``; the rest of ``problem`` and landscapes call it.
"""
