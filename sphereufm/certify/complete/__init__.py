"""Certificates that a list of critical points is complete, and their independent checker.

Nothing is imported here: :mod:`sphereufm.certify.complete.check` stands alone.
"""
