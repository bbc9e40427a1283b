"""The desk for machines: what other systems send us, kept as it came, applied in order, shown on 数据对接.

A message is stored before it is acknowledged (inbox), read by pure code (`hl7v2`), and applied through the actions
of the rooms below. What cannot be applied is a *dead letter* with a reason and a way to mend it.
"""
