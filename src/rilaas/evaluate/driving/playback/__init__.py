"""Recordings of episodes: made of what was driven, written to a folder, and exported to MCAP and Rerun.

Takes scored episodes; gives files. May import the other rooms of driving, report and core.
"""
