"""Questions about messages that join several tables or read settings."""
