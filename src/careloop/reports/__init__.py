"""Reports: indicators by hospital, department and person, each with its written definition and its patient lists.

Words: a *measure* is a count kept in the roll-up; an *indicator* is a quotient of measures; an *identity* is a sum that
must come out equal, shown on the page and tested; *recount* means counting the source rows again.
"""
