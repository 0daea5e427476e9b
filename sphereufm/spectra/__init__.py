"""Riemannian Hessians modulo symmetry: matrices, spectra, a few extreme eigenvalues at scale.

In: a problem and a point.  Out: :class:`~sphereufm.spectra.spectrum.HessianSpectrum`, eigenpairs; numerical.
Calls ``problem`` and ``geometry``; landscapes, branches, descents and position call it.
"""
