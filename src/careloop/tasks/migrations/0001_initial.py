import careloop.kernel.models
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        ('patients', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Task',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('key', models.CharField(max_length=160, unique=True)),
                ('kind', models.CharField(choices=[('follow-up', 'Follow-up'), ('alert', 'Alert'), ('revisit', 'Return visit'), ('education', 'Education'), ('reminder', 'Reminder'), ('contact-check', 'Check contact data'), ('message', 'Message from patient'), ('work-order', 'Work order'), ('re-check', 'Re-check call')], max_length=14)),
                ('status', models.CharField(choices=[('requested', 'To do'), ('completed', 'Finished tasks'), ('cancelled', 'Ended without being done')], default='requested', max_length=10)),
                ('owner_role', models.CharField(blank=True, default='', max_length=40)),
                ('encounter_id', models.UUIDField(null=True)),
                ('care_plan_id', models.UUIDField(null=True)),
                ('step_code', models.CharField(blank=True, default='', max_length=40)),
                ('occurrence', models.PositiveSmallIntegerField(default=0)),
                ('focus_id', models.UUIDField(null=True)),
                ('questionnaire_url', models.CharField(blank=True, default='', max_length=200)),
                ('plan_title', models.CharField(blank=True, default='', max_length=120)),
                ('step_title', models.CharField(blank=True, default='', max_length=120)),
                ('diagnosis_text', models.CharField(blank=True, default='', max_length=200)),
                ('risk', models.CharField(choices=[('none', 'Not assessed'), ('ok', 'Stable'), ('watch', 'Watch'), ('high', 'High risk'), ('critical', 'Critical')], default='none', max_length=10)),
                ('priority', models.IntegerField(default=0)),
                ('priority_reasons', models.JSONField(default=list)),
                ('available_at', models.DateTimeField()),
                ('due_at', models.DateTimeField()),
                ('window_ends_at', models.DateTimeField(null=True)),
                ('snoozed_until', models.DateTimeField(null=True)),
                ('snooze_reason', models.CharField(blank=True, default='', max_length=20)),
                ('promised_at', models.DateTimeField(null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('last_attempt_at', models.DateTimeField(null=True)),
                ('last_outcome', models.CharField(blank=True, default='', max_length=30)),
                ('message_state', models.CharField(blank=True, default='', max_length=20)),
                ('outcome', models.CharField(blank=True, default='', max_length=30)),
                ('closed_reason', models.CharField(blank=True, default='', max_length=40)),
                ('ended_at', models.DateTimeField(null=True)),
                ('claimed_until', models.DateTimeField(null=True)),
                ('claimed_by', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='claimed_tasks', to=settings.AUTH_USER_MODEL)),
                ('department', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='accounts.organization')),
                ('ended_by', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('owner', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='owned_tasks', to=settings.AUTH_USER_MODEL)),
                ('patient', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='tasks', to='patients.patient')),
                ('discharged_at', models.DateTimeField(null=True)),
                ('self_report', models.CharField(blank=True, default='', max_length=10)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('status', 'requested')), fields=['department', 'due_at', 'id'], name='task_open_department'), models.Index(condition=models.Q(('status', 'requested')), fields=['owner', 'due_at', 'id'], name='task_open_owner'), models.Index(fields=['patient', '-due_at'], name='task_of_patient'), models.Index(fields=['care_plan_id'], name='task_of_plan'), models.Index(condition=models.Q(('status', 'requested'), _negated=True), fields=['department', 'ended_at'], name='task_ended'), models.Index(condition=models.Q(('claimed_by__isnull', False)), fields=['claimed_by'], name='task_in_hand'), models.Index(condition=models.Q(('attempts__gt', 0), ('status', 'requested')), fields=['department', '-attempts', 'due_at', 'id'], name='task_unreached')],
                'constraints': [models.CheckConstraint(condition=models.Q(('status', 'requested'), ('ended_at__isnull', False), _connector='XOR'), name='task_end_has_time'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'cancelled'), _negated=True), models.Q(('closed_reason', ''), _negated=True), _connector='OR'), name='task_closed_has_reason'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'completed'), _negated=True), models.Q(('outcome', ''), _negated=True), _connector='OR'), name='task_done_has_outcome'), models.CheckConstraint(condition=models.Q(('due_at__gte', models.F('available_at'))), name='task_due_after_available')],
            },
        ),
        migrations.CreateModel(
            name='ContactAttempt',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('channel', models.CharField(default='phone', max_length=12)),
                ('outcome', models.CharField(max_length=30)),
                ('started_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('note', models.CharField(blank=True, default='', max_length=300)),
                ('undone_at', models.DateTimeField(null=True)),
                ('by_practitioner', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('contact_point', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='attempts', to='patients.contactpoint')),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='contact_attempts', to='patients.patient')),
                ('task', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='contact_attempts', to='tasks.task')),
                ('before', models.JSONField(default=dict)),
            ],
            options={
                'indexes': [models.Index(fields=['task', '-started_at'], name='attempt_of_task'), models.Index(fields=['patient', '-started_at'], name='attempt_of_patient'), models.Index(fields=['by_practitioner', '-started_at'], name='attempt_of_practitioner')],
            },
        ),
        migrations.CreateModel(
            name='SavedFilter',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('name', models.CharField(max_length=40)),
                ('query', models.JSONField(default=dict)),
                ('practitioner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='saved_filters', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('practitioner', 'name'), name='saved_filter_once')],
            },
        ),
        migrations.CreateModel(
            name='LadderVersion',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('number', models.PositiveIntegerField(unique=True)),
                ('content', models.JSONField()),
                ('valid_from', models.DateField()),
                ('note', models.CharField(max_length=300)),
                ('written_at', models.DateTimeField()),
                ('written_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['-valid_from', '-number'], name='ladder_in_force')],
                'constraints': [models.CheckConstraint(condition=models.Q(('note', ''), _negated=True), name='ladder_version_has_note')],
            },
        ),
    ]
