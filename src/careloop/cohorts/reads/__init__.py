"""Questions over cohorts, topics and lists."""
