"""Patient pages, by part: the link, home, questions, measurements, messages."""
