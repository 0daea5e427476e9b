"""Formats read by our own few lines: numpy's, safetensors, text, and the members of zip archives.

In: an open file.  Out: where its arrays lie, of which shape and type.
Calls the rest of ``features.readers``, which calls it.
"""
