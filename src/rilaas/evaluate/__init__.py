"""Judging a policy in closed loop: ``driving`` (lane following in a flat tile world).

Takes a policy and a suite of scenarios, lets simulated time pass while the policy thinks, gives a report.
May import infer, report, store, observe and core.
"""
