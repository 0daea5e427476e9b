"""Riemannian solvers: one loop, many strategies."""
