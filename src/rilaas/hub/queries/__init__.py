"""Every read, a file a noun: plain data for pages, their JSON twins and the REST interface.

A query takes the person who asks, shows only what that person may see, and needs a constant number of statements.
"""
