"""The landscape as data: rows, verdict, connections, and the file format ``sphereufm-landscape/1``.

In: rows as the search left them, or a file.  Out: reports and JSON.
Calls ``landscape.points`` and ``problem``; proofs, branches, descents and the faces call it.
"""
