"""Three levels of supervision: samples of records, blind re-asking, agreement, findings and their rectification; and integrity indicators.

Nobody ever samples or checks their own records.
"""
