"""The mechanisms every room stands on: actions, doors, scopes, jobs, facts. Knows no medicine and has no tables."""
