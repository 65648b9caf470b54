"""What templates know."""
