"""Long work over many rows: previewed, counted, done in the background with progress, resumable and never twice.

A batch knows nothing of patients; the room whose work it is brings the rows and the action on one row.
"""
