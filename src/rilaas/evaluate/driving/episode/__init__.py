"""One drive on one clock: the loop in which latency is time, and its record."""
