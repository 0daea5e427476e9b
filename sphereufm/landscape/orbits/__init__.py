"""From converged points to critical orbits and families: merged modulo symmetry, classified.

In: converged points.  Out: rows, one an orbit or a family, each with its kind; numerical.
Calls ``landscape.search`` and below; ``landscape.verify`` and ``descents`` call it.
"""
