"""Every write, a file a noun: checks the person's rights and the values, writes in one transaction, tells the log.

An action takes a person and plain values and raises errors of ``rilaas.core``.
"""
