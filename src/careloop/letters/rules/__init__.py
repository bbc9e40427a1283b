"""The pure part of paper: reply codes, envelopes, the words of a letter, pictures of trends."""
