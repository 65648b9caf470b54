"""The command line: one module per verb, loaded when it is called.

Takes arguments, gives data on standard output and talk on standard error. May import every room.
"""

try:
    from rilaas.cli.main import main
except KeyboardInterrupt:  # Ctrl-C before ``main`` could take care of it
    import sys

    sys.stderr.write("interrupted\n")
    raise SystemExit(130) from None

__all__ = ["main"]
