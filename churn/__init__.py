"""The churn domain: contracts, landing zone, lake, privacy and ingestion, free of any framework."""

import os

# The one thing done at import, because Polars' allocator reads it when Polars is loaded and never again: freed memory
# is kept for half a minute and used for the next batches. Polars' own half a second gives it back to the system between
# two steps of one batch, and a sixth of an ingestion's CPU is spent on getting it again; of blocks of 8 MiB and more it
# keeps none at all. There is one pool for each core instead of four, since no thread uses what lies in the pool of
# another. Whoever has set something, or loaded Polars before, keeps what they have.
os.environ.setdefault(
    "_RJEM_MALLOC_CONF",
    f"dirty_decay_ms:30000,muzzy_decay_ms:30000,oversize_threshold:0,narenas:{os.cpu_count() or 1}",
)
