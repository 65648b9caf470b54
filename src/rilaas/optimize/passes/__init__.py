"""Passes: pure functions from a network to a network, each a frozen value with its typed configuration.

``registry.py`` lists them by name; each family is a file. May import the rest of optimize's nouns, infer and core.
"""
