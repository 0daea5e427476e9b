"""To Pymanopt and back.  Pymanopt is imported inside the functions only: it loads every framework installed.

In: a ``UFMProblem``, or a ``pymanopt.Problem``.  Out: the other.
Calls ``problem`` and ``geometry``; users and ``comparison`` call it.
"""
