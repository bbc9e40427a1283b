"""Messages to patients and their answers.

Every message is a Communication: a row in an outbox, written in the transaction of its cause, claimed by a sender
process under a lease, looked at once more before it leaves, and never sent twice. Words: *template* (the registered
text), *channel* (sms, e-mail, portal inbox), *gateway* (who carries it), *receipt* (what became of it), *unknown*
(it may have gone or not: a person or the gateway decides, never a blind repeat).
"""
