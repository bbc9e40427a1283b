import careloop.kernel.models
import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        ('patients', '0001_initial'),
        ('tasks', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Distribution',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('day', models.DateField()),
                ('trigger', models.CharField(choices=[('night', 'Every night'), ('hand', 'By hand'), ('absence', 'Somebody is away')], max_length=8)),
                ('ran_at', models.DateTimeField()),
                ('given', models.PositiveIntegerField(default=0)),
                ('kept', models.PositiveIntegerField(default=0)),
                ('taken', models.PositiveIntegerField(default=0)),
                ('full', models.PositiveIntegerField(default=0)),
                ('nobody_able', models.PositiveIntegerField(default=0)),
                ('asked_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['-ran_at'], name='distribution_newest')],
            },
        ),
        migrations.CreateModel(
            name='Assignment',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('day', models.DateField()),
                ('why', models.CharField(choices=[('continuity', 'Knows the patient'), ('balance', 'Even shares')], max_length=10)),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='patients.patient')),
                ('practitioner', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='assignments_given', to=settings.AUTH_USER_MODEL)),
                ('task', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='assignments', to='tasks.task')),
                ('distribution', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='assignments', to='rosters.distribution')),
            ],
            options={
                'indexes': [models.Index(fields=['practitioner', 'day'], name='assignments_of_nurse_day')],
            },
        ),
        migrations.CreateModel(
            name='Leave',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('first_day', models.DateField()),
                ('first_half', models.CharField(choices=[('morning', 'Morning'), ('afternoon', 'Afternoon')], default='morning', max_length=9)),
                ('last_day', models.DateField(null=True)),
                ('last_half', models.CharField(choices=[('morning', 'Morning'), ('afternoon', 'Afternoon')], default='afternoon', max_length=9)),
                ('reason', models.CharField(choices=[('leave', 'Leave'), ('sick', 'Sick leave'), ('training', 'Training'), ('other-duty', 'Other duty'), ('from-alerts', 'Away, with a stand-in for alerts')], default='leave', max_length=12)),
                ('source_id', models.UUIDField(null=True, unique=True)),
                ('practitioner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='leaves', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['practitioner', 'first_day'], name='leave_of_practitioner')],
                'constraints': [models.CheckConstraint(condition=models.Q(('last_day__isnull', True), ('last_day__gt', models.F('first_day')), models.Q(('last_day', models.F('first_day')), models.Q(('first_half', 'afternoon'), ('last_half', 'morning'), _negated=True)), _connector='OR'), name='leave_period')],
            },
        ),
        migrations.CreateModel(
            name='Shift',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('first_day', models.DateField()),
                ('last_day', models.DateField(null=True)),
                ('weekdays', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveSmallIntegerField(), size=None)),
                ('part', models.CharField(choices=[('whole', 'Whole day'), ('morning', 'Morning'), ('afternoon', 'Afternoon')], default='whole', max_length=9)),
                ('practitioner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='shifts', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['practitioner', 'first_day'], name='shift_of_practitioner')],
                'constraints': [models.CheckConstraint(condition=models.Q(('last_day__isnull', True), ('last_day__gte', models.F('first_day')), _connector='OR'), name='shift_period'), models.CheckConstraint(condition=models.Q(('weekdays', []), _negated=True), name='shift_has_days')],
            },
        ),
        migrations.CreateModel(
            name='Skill',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('code', models.SlugField(max_length=40, unique=True)),
                ('name', models.CharField(max_length=60)),
                ('kind', models.CharField(blank=True, default='', max_length=14)),
                ('plan_title', models.CharField(blank=True, default='', max_length=120)),
                ('is_active', models.BooleanField(default=True)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('kind', ''), _negated=True), models.Q(('plan_title', ''), _negated=True), _connector='OR'), name='skill_is_needed_for_something')],
            },
        ),
        migrations.CreateModel(
            name='Team',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('name', models.CharField(max_length=60)),
                ('first_day', models.DateField()),
                ('last_day', models.DateField(null=True)),
                ('departments', models.ManyToManyField(related_name='served_by_teams', to='accounts.organization')),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='teams', to='accounts.organization')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('last_day__isnull', True), ('last_day__gte', models.F('first_day')), _connector='OR'), name='team_period'), models.UniqueConstraint(condition=models.Q(('last_day__isnull', True)), fields=('organization', 'name'), name='team_name_once')],
            },
        ),
        migrations.CreateModel(
            name='NurseDay',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('day', models.DateField()),
                ('capacity', models.PositiveSmallIntegerField()),
                ('practitioner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='nurse_days', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='rosters.team')),
            ],
            options={
                'indexes': [models.Index(fields=['practitioner', 'day'], name='days_of_nurse')],
                'constraints': [models.UniqueConstraint(fields=('day', 'practitioner'), name='nurse_day_once')],
            },
        ),
        migrations.CreateModel(
            name='TeamMember',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('capacity', models.PositiveSmallIntegerField()),
                ('skills', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), default=list, size=None)),
                ('first_day', models.DateField()),
                ('last_day', models.DateField(null=True)),
                ('practitioner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='memberships', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='members', to='rosters.team')),
            ],
            options={
                'indexes': [models.Index(fields=['practitioner', 'first_day'], name='member_of_team')],
                'constraints': [models.CheckConstraint(condition=models.Q(('capacity__gte', 1), ('capacity__lte', 300)), name='member_capacity_is_possible'), models.CheckConstraint(condition=models.Q(('last_day__isnull', True), ('last_day__gte', models.F('first_day')), _connector='OR'), name='member_period'), models.UniqueConstraint(condition=models.Q(('last_day__isnull', True)), fields=('practitioner',), name='one_running_team')],
            },
        ),
    ]
