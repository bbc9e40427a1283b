"""The national basic public health service forms as an executable rule pack: fields, classification, referral, clocks and indicators.

Every form, rule and threshold is data with its version, source and validity.
"""
