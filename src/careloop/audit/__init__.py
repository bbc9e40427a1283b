"""What happened, who did it, who looked. Append-only in the database itself."""
