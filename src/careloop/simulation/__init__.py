"""A whole hospital that never was: people, illnesses and behaviour, played against the real doors of the product.

Every event is an HL7 message over a socket, every patient's answer an HTTP request, every call a staff action. Nothing
here writes to the database except through actions.
"""
