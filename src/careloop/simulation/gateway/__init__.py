"""The demo SMS gateway: a real HTTP server of its own that plays the carrier and the patients' phones.

It speaks the same contract as a real gateway (docs/integrate/sms-gateway.md): it takes messages under the sender's
key, can be asked about a key, reports receipts and answers by signed callback, and fails on demand. Its pages show
what arrived on each phone. No Django in here: it knows nothing of CareLoop but the contract.
"""
