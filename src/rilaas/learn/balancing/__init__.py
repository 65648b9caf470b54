"""Training of load-balancing policies in simulation.

Takes a suite of loads and a seed; gives arrays and a card for ``rilaas.balance.learned_file``, and a learning curve.
Imports balance, report, core; torch, gymnasium and numba only in the files that train with them.
"""
