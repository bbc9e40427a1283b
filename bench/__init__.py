"""The six workloads of follow-up, measured the same way every time: product against hand-written SQL in one run.

`python -m bench` (or `make bench`) brings up its own PostgreSQL, seeds, measures, prints. See RESULTS.md.
"""
