"""The cost: losses, closed-form kernels, the problem itself; its theory, and the way to Pymanopt and back.

In: labels, dimensions, temperatures, weights, or a cost of one's own.
Out: problems (:mod:`~sphereufm.problem.interface`) that answer with cost, gradient and Hessian products at a point.
Calls ``geometry``; solvers, spectra, landscapes and all above call it.
"""
