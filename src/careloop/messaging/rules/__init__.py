"""Pure rules of messages: wording, time, states, claiming, limits, signatures and replies. One idea per module."""
