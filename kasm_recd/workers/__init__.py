"""Programs that the daemon runs as children; the daemon itself imports none of them."""

import os

# numpy would start a thread for every core to multiply matrices with, which no worker does.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
