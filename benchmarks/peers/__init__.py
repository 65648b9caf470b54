"""Servers of others that the benchmarks measure ours against, each a process of its own."""
