"""CareLoop 随访云: follow-up after discharge, as a closed loop."""

__version__ = "0.1.0"
