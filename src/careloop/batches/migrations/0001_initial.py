import careloop.kernel.models
import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Batch',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('kind', models.CharField(max_length=60)),
                ('title', models.CharField(max_length=200)),
                ('key', models.CharField(max_length=200, unique=True)),
                ('state', models.CharField(choices=[('queued', 'Waiting for its turn'), ('running', 'Work going on'), ('done', 'Work finished'), ('stopped', 'Work stopped'), ('failed', 'Work failed')], default='queued', max_length=8)),
                ('total', models.PositiveIntegerField(default=0)),
                ('done', models.PositiveIntegerField(default=0)),
                ('skipped', models.PositiveIntegerField(default=0)),
                ('failed', models.PositiveIntegerField(default=0)),
                ('parameters', models.JSONField(default=dict)),
                ('result', models.JSONField(default=dict)),
                ('stop_reason', models.CharField(blank=True, default='', max_length=40)),
                ('started_at', models.DateTimeField(null=True)),
                ('heartbeat_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
                ('requested_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('undo_of', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='undone_by', to='batches.batch')),
            ],
            options={
                'indexes': [models.Index(fields=['requested_by', '-id'], name='batch_of_person'), models.Index(condition=models.Q(('state__in', ['queued', 'running'])), fields=['heartbeat_at'], name='batch_under_way')],
                'constraints': [models.CheckConstraint(condition=models.Q(('total__gte', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('done'), '+', models.F('skipped')), '+', models.F('failed')))), name='batch_never_more_than_all'), models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('state__in', ['queued', 'running'])), models.Q(('finished_at__isnull', False), ('state__in', ['done', 'stopped', 'failed'])), _connector='OR'), name='batch_end_has_time')],
            },
        ),
        migrations.CreateModel(
            name='BatchFile',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('name', models.CharField(max_length=120)),
                ('content_type', models.CharField(max_length=100)),
                ('size', models.PositiveBigIntegerField()),
                ('sha256', models.CharField(max_length=64)),
                ('expires_at', models.DateTimeField()),
                ('purged_at', models.DateTimeField(null=True)),
                ('batch', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='file', to='batches.batch')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('purged_at__isnull', True)), fields=['expires_at'], name='batch_file_expiry')],
            },
        ),
        migrations.CreateModel(
            name='BatchFilePart',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('number', models.PositiveIntegerField()),
                ('content', models.BinaryField()),
                ('file', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='parts', to='batches.batchfile')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('file', 'number'), name='batch_file_part_once')],
            },
        ),
        migrations.CreateModel(
            name='BatchItem',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('number', models.PositiveIntegerField()),
                ('key', models.CharField(max_length=120)),
                ('subject_id', models.UUIDField(null=True)),
                ('data', models.JSONField(default=dict)),
                ('state', models.CharField(choices=[('waiting', 'Not yet its turn'), ('done', 'Done as asked'), ('skipped', 'Passed over'), ('failed', 'Did not work')], default='waiting', max_length=8)),
                ('reason', models.CharField(blank=True, default='', max_length=60)),
                ('result', models.JSONField(default=dict)),
                ('batch', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='items', to='batches.batch')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'waiting')), fields=['batch', 'number'], name='batch_item_waiting'), models.Index(condition=models.Q(('reason', ''), _negated=True), fields=['batch', 'reason'], name='batch_item_reason')],
                'constraints': [models.UniqueConstraint(fields=('batch', 'key'), name='batch_item_once'), models.UniqueConstraint(fields=('batch', 'number'), name='batch_item_number')],
            },
        ),
    ]
