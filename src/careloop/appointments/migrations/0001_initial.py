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
            name='Appointment',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('source', models.CharField(max_length=120)),
                ('number', models.CharField(max_length=80)),
                ('status', models.CharField(choices=[('booked', 'Booked'), ('fulfilled', 'Kept'), ('cancelled', 'Cancelled'), ('noshow', 'Did not come')], default='booked', max_length=10)),
                ('starts_at', models.DateTimeField(null=True)),
                ('ends_at', models.DateTimeField(null=True)),
                ('practitioner_text', models.CharField(blank=True, default='', max_length=120)),
                ('place_text', models.CharField(blank=True, default='', max_length=160)),
                ('service_code', models.CharField(blank=True, default='', max_length=60)),
                ('service_text', models.CharField(blank=True, default='', max_length=200)),
                ('reason', models.CharField(blank=True, default='', max_length=200)),
                ('last_said_at', models.DateTimeField(null=True)),
                ('department', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='appointments', to='accounts.organization')),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='appointments', to='patients.patient')),
                ('practitioner', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='appointments', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['patient', '-starts_at'], name='appointment_of_patient'), models.Index(condition=models.Q(('status', 'booked')), fields=['department', 'starts_at'], name='appointment_coming')],
                'constraints': [models.UniqueConstraint(fields=('source', 'number'), name='appointment_once')],
            },
        ),
    ]
