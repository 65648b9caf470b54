"""Where the viewer's numbers come from: a window that the hub keeps itself, or a Prometheus.

Takes families, labels and a span of time, gives how much counters grew in each step. Knows no person and no page.
"""
