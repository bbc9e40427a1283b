"""HL7 v2 as the hospital speaks it: bytes → text → segments → facts, and the framing and answers of MLLP.

Everything here is pure (standard library and the dataclasses of `patients.rules`), takes bytes or text,
and never raises on what a message contains: a wrong message becomes a stored message with a reason.
"""
