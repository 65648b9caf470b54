"""What is run: scenarios and suites, written in TOML."""
