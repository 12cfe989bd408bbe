"""One thread for each test process: tests run side by side, and sums keep their order.

That this file is here also lets every test import the helpers beside it.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
