"""Pages of forms and answers."""
