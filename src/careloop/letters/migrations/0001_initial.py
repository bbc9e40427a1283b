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
            name='LetterTemplate',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('code', models.SlugField(max_length=30)),
                ('version', models.PositiveIntegerField()),
                ('title', models.JSONField()),
                ('texts', models.JSONField()),
                ('has_slip', models.BooleanField(default=True)),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('submitted', 'Waiting for approval'), ('approved', 'Approved'), ('rejected', 'Rejected'), ('retired', 'Retired')], default='draft', max_length=10)),
                ('submitted_at', models.DateTimeField(null=True)),
                ('decided_at', models.DateTimeField(null=True)),
                ('rejected_reason', models.CharField(blank=True, default='', max_length=200)),
                ('content_hash', models.CharField(max_length=64)),
                ('origin', models.CharField(default='hospital', max_length=10)),
                ('approver', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('author', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('code', 'version'), name='letter_template_version_once'), models.UniqueConstraint(condition=models.Q(('state', 'approved')), fields=('code',), name='letter_template_one_approved'), models.CheckConstraint(condition=models.Q(('state__in', ['draft', 'submitted']), ('decided_at__isnull', False), _connector='OR'), name='letter_template_decided_has_time'), models.CheckConstraint(condition=models.Q(('author__isnull', True), ('approver__isnull', True), models.Q(('author', models.F('approver')), _negated=True), _connector='OR'), name='letter_template_four_eyes')],
            },
        ),
        migrations.CreateModel(
            name='Letter',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('template_code', models.CharField(max_length=30)),
                ('key', models.CharField(max_length=200, unique=True)),
                ('batch_id', models.UUIDField(null=True)),
                ('task_id', models.UUIDField(null=True)),
                ('language', models.CharField(default='zh', max_length=2)),
                ('params', models.JSONField(default=dict)),
                ('address', models.CharField(max_length=300)),
                ('recipient', models.JSONField(default=dict)),
                ('envelope', models.CharField(max_length=40)),
                ('reply_code', models.CharField(max_length=10, unique=True)),
                ('state', models.CharField(choices=[('made', 'To be posted'), ('posted', 'Posted'), ('answered', 'Answered letter'), ('returned', 'Came back'), ('withdrawn', 'Withdrawn')], default='made', max_length=9)),
                ('made_at', models.DateTimeField()),
                ('posted_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('return_reason', models.CharField(blank=True, choices=[('unknown-address', 'Address not found'), ('moved', 'Moved away, new address unknown'), ('refused', 'Not accepted'), ('unclaimed', 'Not collected'), ('other', 'Another reason')], default='', max_length=16)),
                ('department', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization')),
                ('ended_by', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('link', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='patients.accesslink')),
                ('made_by', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('patient', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='letters', to='patients.patient')),
                ('posted_by', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('template', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='letters.lettertemplate')),
            ],
            options={
                'indexes': [models.Index(fields=['patient', '-made_at'], name='letter_of_patient'), models.Index(condition=models.Q(('batch_id__isnull', False)), fields=['batch_id'], name='letter_of_batch'), models.Index(condition=models.Q(('task_id__isnull', False)), fields=['task_id'], name='letter_of_task'), models.Index(fields=['state', '-id'], name='letter_by_state'), models.Index(condition=models.Q(('link__isnull', False)), fields=['link'], name='letter_of_link')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('state', 'posted'), _negated=True), ('posted_at__isnull', False), _connector='OR'), name='letter_posted_has_time'), models.CheckConstraint(condition=models.Q(('state__in', ['made', 'posted']), ('ended_at__isnull', False), _connector='XOR'), name='letter_end_has_time'), models.CheckConstraint(condition=models.Q(('state', 'returned'), ('return_reason', ''), _connector='XOR'), name='letter_returned_has_reason')],
            },
        ),
        migrations.CreateModel(
            name='FollowUpReport',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('period_from', models.DateField()),
                ('period_to', models.DateField()),
                ('assessment', models.CharField(max_length=2000)),
                ('advice', models.CharField(blank=True, default='', max_length=2000)),
                ('written_at', models.DateTimeField()),
                ('author', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('patient', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='follow_up_reports', to='patients.patient')),
                ('replaces', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replaced_by', to='letters.followupreport')),
            ],
            options={
                'indexes': [models.Index(fields=['patient', '-written_at'], name='report_of_patient')],
                'constraints': [models.CheckConstraint(condition=models.Q(('period_to__gte', models.F('period_from'))), name='report_period'), models.CheckConstraint(condition=models.Q(('assessment', ''), _negated=True), name='report_has_assessment')],
            },
        ),
    ]
