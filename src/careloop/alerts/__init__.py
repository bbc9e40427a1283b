"""Alerts: what a rule found in a patient's answers, with one owner, a deadline and an end.

An *alert* (预警) is the finding; its *work order* (工单) is the task of kind "alert" that puts it on somebody's desk.
Words: raised, seen, accepted, acted, closed (the ledger of times); handed over; escalated; duty phone; closing code.
"""
