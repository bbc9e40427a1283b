from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='AuditEvent',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField(auto_now_add=True)),
                ('actor', models.CharField(max_length=80)),
                ('name', models.CharField(max_length=80)),
                ('patient_id', models.UUIDField(null=True)),
                ('outcome', models.CharField(choices=[('success', 'Success'), ('denied', 'Denied'), ('failed', 'Failed')], default='success', max_length=10)),
                ('ip', models.CharField(blank=True, default='', max_length=45)),
                ('request_id', models.CharField(blank=True, default='', max_length=40)),
                ('payload', models.JSONField()),
            ],
            options={
                'indexes': [models.Index(fields=['patient_id', 'at'], name='audit_by_patient'), models.Index(fields=['actor', 'at'], name='audit_by_actor'), models.Index(fields=['name', 'at'], name='audit_by_name')],
            },
        ),
    ]
