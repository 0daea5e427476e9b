"""Complete lists: on small instances every critical point is found, and that none is missing is proved.

In: a problem.  Out: :class:`CompleteList`, with a certificate and the boxes left over.
Calls ``certify.complete`` and ``problem``; ``landscape`` and users call it.
"""

from sphereufm.complete.outcome import CompleteList
from sphereufm.complete.prove import prove_complete

__all__ = ["CompleteList", "prove_complete"]
