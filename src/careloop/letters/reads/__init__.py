"""What stands on paper, and the paper itself."""
