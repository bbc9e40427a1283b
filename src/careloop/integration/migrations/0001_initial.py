import careloop.kernel.models
import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('patients', '0001_initial'),
    ]

    operations = [
        migrations.RunSQL("CREATE SEQUENCE IF NOT EXISTS integration_inbox_seq", "DROP SEQUENCE integration_inbox_seq"),
        migrations.CreateModel(
            name='InboxMessage',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('seq', models.BigIntegerField(db_default=models.Func(models.Value('integration_inbox_seq'), function='nextval', output_field=models.BigIntegerField()))),
                ('channel', models.CharField(choices=[('mllp', 'HL7 gateway'), ('file', 'Files')], max_length=8)),
                ('received_at', models.DateTimeField()),
                ('peer', models.CharField(blank=True, default='', max_length=200)),
                ('sender', models.CharField(blank=True, default='', max_length=200)),
                ('facility', models.CharField(blank=True, default='', max_length=120)),
                ('control_id', models.CharField(blank=True, default='', max_length=200)),
                ('event_type', models.CharField(blank=True, default='', max_length=40)),
                ('charset', models.CharField(blank=True, default='', max_length=20)),
                ('flags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), default=list, size=None)),
                ('sha256', models.BinaryField(max_length=32)),
                ('raw', models.BinaryField()),
                ('size', models.PositiveIntegerField()),
                ('state', models.CharField(choices=[('received', 'Queued'), ('retry', 'Trying again'), ('done', 'Applied'), ('ignored', 'Not for follow-up'), ('dead', 'Needs mending')], default='received', max_length=8)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('next_try', models.DateTimeField(null=True)),
                ('error_code', models.CharField(blank=True, default='', max_length=60)),
                ('error_subject', models.CharField(blank=True, default='', max_length=120)),
                ('error_text', models.CharField(blank=True, default='', max_length=300)),
                ('partition_key', models.CharField(blank=True, default='', max_length=200)),
                ('other_keys', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), default=list, size=None)),
                ('duplicates', models.PositiveIntegerField(default=0)),
                ('replays', models.PositiveSmallIntegerField(default=0)),
                ('processed_at', models.DateTimeField(null=True)),
                ('patient', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='patients.patient')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state__in', ('received', 'retry'))), fields=['seq'], name='inbox_open'), models.Index(condition=models.Q(('state__in', ('received', 'retry'))), fields=['partition_key', 'seq'], name='inbox_open_key'), models.Index(condition=models.Q(('state__in', ('received', 'retry')), models.Q(('other_keys', []), _negated=True)), fields=['seq'], name='inbox_open_merge'), models.Index(condition=models.Q(('state', 'dead')), fields=['error_code', 'error_subject', 'seq'], name='inbox_dead'), models.Index(fields=['channel', 'received_at'], name='inbox_by_day'), models.Index(fields=['sender', 'control_id'], name='inbox_control'), models.Index(condition=models.Q(('patient__isnull', False)), fields=['patient'], name='inbox_patient')],
                'constraints': [models.UniqueConstraint(fields=('channel', 'sha256'), name='inbox_once'), models.UniqueConstraint(fields=('seq',), name='inbox_seq_once'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'dead'), _negated=True), models.Q(('error_code', ''), _negated=True), _connector='OR'), name='inbox_dead_has_reason'), models.CheckConstraint(condition=models.Q(('state__in', ('received', 'retry')), ('processed_at__isnull', False), _connector='OR'), name='inbox_end_has_time')],
            },
        ),
    ]
