"""The management server: registry, sharing, robots, datasets, deployments, metrics, jobs; web pages and REST.

Takes requests of people and machines, keeps their state in a database and in blobs. Tables in ``models``, every
write in ``actions``, every read in ``queries``; ``pages``, ``api`` and ``worker`` only call those. The only Django.
"""
