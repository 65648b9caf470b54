"""The command line: one module per verb, loaded when it is called.

Takes arguments, gives data on standard output and talk on standard error. May import every room.
"""

from rilaas.cli.main import main

__all__ = ["main"]
