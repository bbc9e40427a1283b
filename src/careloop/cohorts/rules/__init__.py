"""What a cohort is: conditions, who is left out and why, columns of lists. Pure functions."""
