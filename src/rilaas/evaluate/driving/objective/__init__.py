"""What a drive is worth: every metric, one file a family, computed from its record alone."""
