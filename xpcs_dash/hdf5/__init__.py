"""Reading and writing of HDF5 files: the only package that imports h5py."""

from __future__ import annotations
