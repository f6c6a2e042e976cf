"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"
SHARED = Path(os.environ.get("XPCS_DASH_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))

LLPS_STRONG = "llps_Average_B0147_S3_7_300C10p_att00_Rq0_01251_01313_results.hdf"
LLPS_MIDDLE = "llps_Average_B0147_S3_7_300C10p_att00_Rq0_00801_00950_results.hdf"
LLPS_WEAK = "llps_Average_B0146_S3_7_060C10p_att00_Rq0_00001_00050_results.hdf"
E0173 = "llps_E0173_H06-c6c5-4_a0009_f100000_r00001_results.hdf"
BES = "bes_B009_Aerogel_1mm_025C_att1_Lq0_001_0001-10000.nxs"
A001 = "A001_silica_multitau_results.hdf"
A001_QMAP = "A001_silica_multitau_qmap.hdf"
A002 = "A002_gel_aging_both_results.hdf"
A003 = "A003_silica_diluted_results.hdf"


@pytest.fixture(scope="session")
def sample() -> Callable[[str], Path]:
    """Path of a sample file; skips where a third-party file, which may not be redistributed, is absent."""

    def find(name: str) -> Path:
        if (DATA / name).is_file():
            return DATA / name
        if (SHARED / name).is_file():
            return SHARED / name
        pytest.skip(f"{name} may not be redistributed and is not beside this checkout")

    return find
