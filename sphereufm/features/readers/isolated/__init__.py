"""Formats that C and C++ libraries read, in a child process: HDF5, Parquet, Feather and Arrow streams."""
