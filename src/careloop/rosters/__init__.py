"""Who is here, what they can do and how much they can take; and the fair distribution of follow-up work over them.

A *team* answers for departments. A *member* belongs to one team at a time, with a capacity (contacts a day) and skills.
*Shifts* say on which half days somebody works, *leave* when they are away. A *distribution* is one run of giving work
away; each task it gave is an *assignment*, and each person's capacity of that day is kept as a *nurse-day*.
"""
