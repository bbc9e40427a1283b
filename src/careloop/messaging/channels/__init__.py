"""The ways out. Each adapter is a little room behind one contract; only jobs open one. They do not know each other."""
