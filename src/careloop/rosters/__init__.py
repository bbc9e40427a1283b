"""Teams, shifts, absences, skills and capacity, and the fair distribution of follow-up work over people."""
