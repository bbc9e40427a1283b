"""Follow-up plans: which discharged patient is followed up, when, with what, through which channel and by whom.

A *plan definition* (PlanDefinition, 随访方案) is a versioned, immutable protocol; a *care plan* (CarePlan, 随访计划) is
one patient's run of it after one stay; a *step* (随访节点) is one planned contact of the protocol and an *occurrence*
one dated instance of a step; an *enrolment decision* (入组判定) says for every discharge why it is in a plan or not.
"""
