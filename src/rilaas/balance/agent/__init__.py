"""A user's own learned agent as a balancing policy: what it sees, and the wrapper that lets it choose.

Takes any object with ``predict(observation)``, such as a stable-baselines3 model. Numpy only; imports balance, core.
"""

from rilaas.balance.agent.agent_balancer import AgentBalancer
from rilaas.balance.agent.agent_view import FEATURES, REQUEST_FEATURES, AgentView, Observation, flatten

__all__ = ["FEATURES", "REQUEST_FEATURES", "AgentBalancer", "AgentView", "Observation", "flatten"]
