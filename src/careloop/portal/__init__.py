"""The patient's desk: pages a patient or a relative reaches by a link, on any phone, without an account.

Link: an address with a secret, sent to one telephone, for one purpose. Second factor: what the link asks before it
shows anything. Measurement: a number taken at home. Safety page: what to do now, shown the moment an answer is
dangerous.
Runs as a process of its own (`careloop portal`), the only public door; no staff page is reachable from it.
"""
