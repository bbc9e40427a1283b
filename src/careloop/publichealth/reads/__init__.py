"""What pages, jobs and actions read about programmes."""
