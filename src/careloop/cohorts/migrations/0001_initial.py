import careloop.kernel.models
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        ('batches', '0001_initial'),
        ('patients', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Cohort',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('title', models.CharField(blank=True, default='', max_length=120)),
                ('kind', models.CharField(choices=[('query', 'Search of the moment'), ('living', 'Living: always as of today'), ('frozen', 'Frozen: as of the day it was kept')], default='query', max_length=6)),
                ('definition', models.JSONField()),
                ('shared', models.BooleanField(default=False)),
                ('frozen_at', models.DateTimeField(null=True)),
                ('archived_at', models.DateTimeField(null=True)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['owner', '-id'], name='cohort_of_person')],
                'constraints': [models.CheckConstraint(condition=models.Q(('kind', 'frozen'), ('frozen_at__isnull', True), _connector='XOR'), name='cohort_frozen_time'), models.CheckConstraint(condition=models.Q(('kind', 'query'), models.Q(('title', ''), _negated=True), _connector='OR'), name='cohort_kept_has_title')],
            },
        ),
        migrations.CreateModel(
            name='CohortMember',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('cohort', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='members', to='cohorts.cohort')),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='cohort_memberships', to='patients.patient')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('cohort', 'patient'), name='cohort_member_once')],
            },
        ),
        migrations.CreateModel(
            name='PatientTag',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('tag', models.CharField(max_length=40)),
                ('patient', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='tags', to='patients.patient')),
                ('tagged_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['tag', 'patient'], name='patient_by_tag')],
                'constraints': [models.UniqueConstraint(fields=('patient', 'tag'), name='patient_tag_once')],
            },
        ),
        migrations.CreateModel(
            name='Selection',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('subject', models.CharField(choices=[('task', 'Tasks chosen'), ('patient', 'Patients chosen')], max_length=8)),
                ('ids', models.JSONField()),
                ('came_from', models.CharField(max_length=20)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['owner', '-id'], name='selection_of_person')],
            },
        ),
        migrations.CreateModel(
            name='Topic',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('title', models.CharField(max_length=120)),
                ('state', models.CharField(choices=[('running', 'Topic running'), ('closed', 'Topic closed')], default='running', max_length=8)),
                ('key', models.CharField(max_length=120, unique=True)),
                ('definition', models.JSONField()),
                ('questionnaire_url', models.CharField(blank=True, default='', max_length=200)),
                ('plan_url', models.CharField(blank=True, default='', max_length=200)),
                ('staff', models.JSONField(default=list)),
                ('deadline', models.DateField()),
                ('closed_at', models.DateTimeField(null=True)),
                ('batch', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='batches.batch')),
                ('cohort', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='topics', to='cohorts.cohort')),
                ('requested_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('questionnaire_url', ''), ('plan_url', ''), _negated=True), name='topic_has_form_or_plan'), models.CheckConstraint(condition=models.Q(('state', 'closed'), ('closed_at__isnull', True), _connector='XOR'), name='topic_closed_time')],
            },
        ),
        migrations.CreateModel(
            name='ListExport',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('title', models.CharField(max_length=120)),
                ('columns', models.JSONField()),
                ('identifies', models.BooleanField()),
                ('purpose', models.CharField(max_length=200)),
                ('rows', models.PositiveIntegerField(null=True)),
                ('batch', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='batches.batch')),
                ('cohort', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='exports', to='cohorts.cohort')),
                ('requested_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('topic', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='exports', to='cohorts.topic')),
            ],
            options={
                'indexes': [models.Index(fields=['requested_by', '-id'], name='export_of_person')],
                'constraints': [models.CheckConstraint(condition=models.Q(('purpose', ''), _negated=True), name='export_has_purpose')],
            },
        ),
        migrations.CreateModel(
            name='TopicMember',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('excluded', models.CharField(blank=True, default='', max_length=30)),
                ('task_id', models.UUIDField(null=True)),
                ('care_plan_id', models.UUIDField(null=True)),
                ('owner', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='topic_memberships', to='patients.patient')),
                ('topic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='members', to='cohorts.topic')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('topic', 'patient'), name='topic_member_once'), models.CheckConstraint(condition=models.Q(('excluded', ''), models.Q(('care_plan_id__isnull', True), ('task_id__isnull', True)), _connector='OR'), name='topic_excluded_has_no_work')],
            },
        ),
    ]
