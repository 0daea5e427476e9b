"""Gaps at sizes beyond ball arithmetic: floating point with a-priori error bounds, arrays named by their hash.

In: a problem and a point, or a certificate and its arrays.  Out: a certificate, or the result of a check.
Calls ``certify.exact``, ``certify.instances`` and ``certify.certificate``; the command line calls it.
"""
