"""One module a solver: what a step is.  The loop that they share is :mod:`sphereufm.solvers.loop`.

In: an oracle and a batch of points.  Out: the next points.
Calls ``solvers.oracle`` and ``geometry``; only ``solvers`` calls it.
"""
