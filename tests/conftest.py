"""Settings of every test run: one BLAS thread, and Hypothesis runs that repeat exactly."""

import os

# before NumPy is loaded: afterwards BLAS no longer reads them
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

from hypothesis import HealthCheck, settings  # noqa: E402

# no deadline and no complaint about slowness: machines differ, and a test's verdict must not
settings.register_profile(
    "ci", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
