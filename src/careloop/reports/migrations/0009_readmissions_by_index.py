"""Looking for readmissions goes by index alone, however empty the tables were when a session planned it.

The statement is planned once a session. Planned while there were no stays yet it walked all stays for each of them: a first
import of fifty thousand stays in one statement took longer than eight minutes.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("reports", "0008_planned_once")]

    operations = [
        migrations.RunSQL(
            "ALTER FUNCTION reports_readmit(uuid[]) SET enable_seqscan = off",
            "ALTER FUNCTION reports_readmit(uuid[]) RESET enable_seqscan",
        )
    ]
