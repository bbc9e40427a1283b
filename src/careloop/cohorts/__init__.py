"""Groups of patients by condition: counted live, kept living or frozen, and turned into a special-topic follow-up."""
