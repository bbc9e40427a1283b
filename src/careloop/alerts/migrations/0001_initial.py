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
            name='Alert',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('key', models.CharField(max_length=160, unique=True)),
                ('encounter_id', models.UUIDField(null=True)),
                ('response_id', models.UUIDField(null=True)),
                ('source_task_id', models.UUIDField(null=True)),
                ('work_order_id', models.UUIDField(null=True)),
                ('rule_code', models.CharField(max_length=80)),
                ('severity', models.CharField(choices=[('critical', 'Critical'), ('high', 'High risk'), ('watch', 'Watch')], max_length=8)),
                ('rank', models.PositiveSmallIntegerField()),
                ('sentence_zh', models.CharField(max_length=300)),
                ('sentence_en', models.CharField(blank=True, default='', max_length=300)),
                ('evidence', models.JSONField(default=list)),
                ('limits_version', models.CharField(max_length=20)),
                ('status', models.CharField(choices=[('raised', 'New alert'), ('seen', 'Seen'), ('accepted', 'Accepted'), ('acted', 'In progress'), ('closed', 'Closed')], default='raised', max_length=8)),
                ('wanted_role', models.CharField(max_length=40)),
                ('found_role', models.CharField(blank=True, default='', max_length=40)),
                ('closing_code', models.CharField(blank=True, default='', max_length=30)),
                ('closing_note', models.CharField(blank=True, default='', max_length=300)),
                ('respond_by', models.DateTimeField()),
                ('close_by', models.DateTimeField()),
                ('raised_at', models.DateTimeField()),
                ('seen_at', models.DateTimeField(null=True)),
                ('accepted_at', models.DateTimeField(null=True)),
                ('acted_at', models.DateTimeField(null=True)),
                ('closed_at', models.DateTimeField(null=True)),
                ('escalation_level', models.PositiveSmallIntegerField(default=0)),
                ('escalated_at', models.DateTimeField(null=True)),
                ('duty_phone_at', models.DateTimeField(null=True)),
                ('accepted_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('closed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('copied_to', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('department', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='accounts.organization')),
                ('owner', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='owned_alerts', to=settings.AUTH_USER_MODEL)),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='alerts', to='patients.patient')),
                ('stand_in', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('status', 'closed'), _negated=True), fields=['department', '-rank', 'respond_by', 'id'], name='alert_open_department'), models.Index(condition=models.Q(('status', 'closed'), _negated=True), fields=['owner', '-rank', 'respond_by'], name='alert_open_owner'), models.Index(fields=['patient', '-raised_at'], name='alert_of_patient'), models.Index(condition=models.Q(('status__in', ['raised', 'seen'])), fields=['respond_by'], name='alert_unaccepted'), models.Index(condition=models.Q(('status', 'closed')), fields=['department', '-closed_at'], name='alert_closed')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', False), ('status', 'closed'), models.Q(('closing_code', ''), _negated=True)), models.Q(models.Q(('status', 'closed'), _negated=True), ('closed_at__isnull', True), ('closing_code', '')), _connector='OR'), name='alert_closed_has_time_and_code'), models.CheckConstraint(condition=models.Q(('accepted_at__isnull', True), ('owner__isnull', False), _connector='OR'), name='alert_accepted_has_owner'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'raised'), _negated=True), models.Q(('accepted_at__isnull', True), ('seen_at__isnull', True)), _connector='OR'), name='alert_raised_is_untouched'), models.CheckConstraint(condition=models.Q(models.Q(('status__in', ['accepted', 'acted', 'closed']), _negated=True), ('accepted_at__isnull', False), _connector='OR'), name='alert_accepted_has_time'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'acted'), _negated=True), ('acted_at__isnull', False), _connector='OR'), name='alert_acted_has_time'), models.CheckConstraint(condition=models.Q(models.Q(('seen_at__isnull', True), ('seen_at__gte', models.F('raised_at')), _connector='OR'), models.Q(('accepted_at__isnull', True), ('accepted_at__gte', models.F('raised_at')), _connector='OR'), models.Q(('acted_at__isnull', True), ('acted_at__gte', models.F('accepted_at')), _connector='OR'), models.Q(('closed_at__isnull', True), ('closed_at__gte', models.F('accepted_at')), _connector='OR')), name='alert_times_run_forward')],
            },
        ),
        migrations.CreateModel(
            name='AlertAction',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('kind', models.CharField(choices=[('raised', 'Raised'), ('seen', 'Seen'), ('accepted', 'Accepted'), ('handed-over', 'Handed over'), ('acted', 'Acted'), ('closed', 'Closed'), ('escalated', 'Escalated'), ('duty-phone', 'Duty phone'), ('undone', 'Undone')], max_length=12)),
                ('code', models.CharField(blank=True, default='', max_length=40)),
                ('note', models.CharField(blank=True, default='', max_length=300)),
                ('at', models.DateTimeField()),
                ('undone_at', models.DateTimeField(null=True)),
                ('before', models.JSONField(default=dict)),
                ('alert', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='actions', to='alerts.alert')),
                ('by_practitioner', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='patients.patient')),
                ('to_practitioner', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['alert', 'at', 'id'], name='action_of_alert'), models.Index(fields=['created_at'], name='alert_action_written')],
            },
        ),
        migrations.CreateModel(
            name='Duty',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('kind', models.CharField(choices=[('department-duty', 'On duty'), ('department-head', 'Head of department'), ('hospital-oversight', 'Hospital oversight')], max_length=20)),
                ('phone', models.CharField(blank=True, default='', max_length=30)),
                ('valid_from', models.DateTimeField()),
                ('valid_to', models.DateTimeField(null=True)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='duties', to='accounts.organization')),
                ('practitioner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='duties', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['organization', 'kind', 'valid_from'], name='duty_of_organization')],
                'constraints': [models.CheckConstraint(condition=models.Q(('valid_to__isnull', True), ('valid_to__gt', models.F('valid_from')), _connector='OR'), name='duty_period')],
            },
        ),
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('why', models.CharField(choices=[('owner', 'Owner'), ('stand-in', 'Stand-in'), ('copy', 'For your information'), ('nurse', 'Responsible nurse'), ('escalation', 'Escalated'), ('duty-phone', 'Duty phone')], max_length=10)),
                ('at', models.DateTimeField()),
                ('seen_at', models.DateTimeField(null=True)),
                ('alert', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='notices', to='alerts.alert')),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='patients.patient')),
                ('practitioner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='alert_notices', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('seen_at__isnull', True)), fields=['practitioner', '-at'], name='notice_unseen')],
                'constraints': [models.UniqueConstraint(fields=('alert', 'practitioner', 'why'), name='notice_once')],
            },
        ),
        migrations.CreateModel(
            name='Absence',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('valid_from', models.DateTimeField()),
                ('valid_to', models.DateTimeField(null=True)),
                ('practitioner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='absences', to=settings.AUTH_USER_MODEL)),
                ('stand_in', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['practitioner', 'valid_from'], name='absence_of_practitioner')],
                'constraints': [models.CheckConstraint(condition=models.Q(('valid_to__isnull', True), ('valid_to__gt', models.F('valid_from')), _connector='OR'), name='absence_period'), models.CheckConstraint(condition=models.Q(('practitioner', models.F('stand_in')), _negated=True), name='absence_stand_in_is_somebody_else')],
            },
        ),
    ]
