"""Questions about plans that join several tables."""
