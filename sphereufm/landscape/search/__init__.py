"""From starts to converged points: Newton on the squared gradient, eigenvector following, descents; coverage.

In: a problem and batches of starts ``(b, d, M)``.  Out: converged points, and how much of the basins was seen.
Calls ``problem``, ``solvers``, ``spectra``; ``landscape`` calls it, ``branches`` and ``descents`` its Newton method.
"""
