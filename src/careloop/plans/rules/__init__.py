"""When which patient is followed up, and why: plan content, enrolment, schedule, calendar, endings. Pure."""
