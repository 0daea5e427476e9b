"""Landscapes of optimisation problems on products of spheres: find, classify, prove."""

__version__ = "0.1.0"
