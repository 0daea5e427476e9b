"""Formats that C and C++ libraries read, in a child process: HDF5, Parquet, Feather and Arrow streams.

In: a path.  Out: sources whose blocks the child sends.
Calls the rest of ``features.readers``, which calls it.
"""
