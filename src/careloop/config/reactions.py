"""What happens after what. The whole choreography of the hospital on one page.

fact → the jobs that follow it, in the same commit. `()` means: nothing follows, and we say so.
"""

import careloop.accounts.events as accounts
import careloop.alerts.events as alerts
import careloop.audit.events as audit
import careloop.reports.events as reports
import careloop.tasks.events as tasks
import careloop.tasks.jobs as tasks_jobs

REACTIONS = {
    audit.RecordSeen: (),
    audit.ListSeen: (),
    audit.AccessDenied: (),
    accounts.SignedIn: (),
    accounts.SignInFailed: (),
    accounts.SignedOut: (),
    accounts.SessionsEnded: (),
    accounts.PasswordChanged: (),
    accounts.OrganizationChanged: (),
    accounts.OrganizationCodeMapped: (),
    accounts.PractitionerChanged: (),
    accounts.RoleChanged: (),
    accounts.RoleGranted: (),
    accounts.RoleRevoked: (),
    alerts.AlertRaised: (),
    alerts.AlertSeen: (),
    alerts.AlertAccepted: (),
    alerts.AlertHandedOver: (),
    alerts.AlertActed: (),
    alerts.AlertClosed: (),
    alerts.AlertStepUndone: (),
    alerts.AlertEscalated: (),
    alerts.DutyPhoneRung: (),
    alerts.DutyChanged: (),
    alerts.AbsenceChanged: (),
    tasks.TasksRequested: (tasks_jobs.weigh_requested,),
    tasks.TaskCompleted: (),
    tasks.TaskClosed: (),
    tasks.TaskReopened: (),
    tasks.TaskSnoozed: (),
    tasks.CallPromised: (),
    tasks.AttemptRecorded: (),
    tasks.TaskClaimed: (),
    tasks.ClaimsReleased: (),
    tasks.TasksAssigned: (),
    tasks.PrioritiesRefreshed: (),
    tasks.SelfReportFlagged: (),
    tasks.NumberRevealed: (),
    tasks.FilterSaved: (),
    tasks.FilterRemoved: (),
    reports.RollupFolded: (),
    reports.RollupChecked: (),
    reports.DrilledDown: (),
}
