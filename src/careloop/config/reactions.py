"""What happens after what. The whole choreography of the hospital on one page.

fact → the jobs that follow it, in the same commit. `()` means: nothing follows, and we say so.
"""

import careloop.accounts.events as accounts
import careloop.audit.events as audit

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
}
