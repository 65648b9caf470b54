"""Suites are run, episodes judged, and reported."""
