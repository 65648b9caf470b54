"""Own expected delay plus a learned price of what a placement costs the requests to come: the policy of rilaas.

Takes requests and what is known of the servers; returns a server's name. ``policy.py`` is where to start reading.
Imports core, numpy, and of ``balance`` the protocol and the files of what is learned. ``state.py`` reads the clock.
"""

from rilaas.balance.marginal_cost.policy import MarginalCost
from rilaas.balance.marginal_cost.price import Price

__all__ = ["MarginalCost", "Price"]
