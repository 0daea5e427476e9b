"""Where a search begins: points that theory constructs, sign patterns, cyclic symmetry, neighbours of what is known.

In: a problem, a rank, a generator, known points.  Out: starts ``(d, M)``; none is claimed to be critical.
Calls ``problem``, ``spectra``, ``geometry``; only ``landscape`` calls it.
"""
