"""Revisit appointments as the hospital's scheduling system tells them: booked, changed, cancelled, missed.

CareLoop books nothing itself here; it follows what the scheduling system says, so that a follow-up plan can
count on a coming revisit and a missed one can be followed up.
"""
