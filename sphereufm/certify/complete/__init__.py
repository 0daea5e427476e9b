"""Certificates that a list of critical points is complete, and their independent checker.

Nothing is imported here: :mod:`sphereufm.certify.complete.check` stands alone.

In: a certificate.  Out: whether its list is complete, and up to what.
Calls ``certify.checker``; ``complete`` and the command line call it.
"""
