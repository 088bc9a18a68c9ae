"""Programs that the daemon runs as children; the daemon itself imports none of them."""

import gc
import os

# numpy would start a thread for every core to multiply matrices with, which no worker does.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A worker makes millions of short-lived tuples: looking for cycles among them took 15 % of its CPU
# time, and 5 ms while libraries are loaded.
gc.set_threshold(100_000, 50, 100)
