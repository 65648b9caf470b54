"""Training of load-balancing policies in simulation.

Takes a suite of loads and a seed; gives arrays and a card for ``rilaas.balance.learned_file``, and a learning curve.
Imports balance; torch and gymnasium only in the files that train with them.
"""
