from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='FirstContact',
            fields=[
                ('encounter_id', models.UUIDField(primary_key=True, serialize=False)),
                ('contacted_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='RollupCheck',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('groups', models.IntegerField()),
                ('differing', models.IntegerField()),
                ('seconds', models.FloatField()),
            ],
        ),
        migrations.CreateModel(
            name='Rollup',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('month', models.DateField()),
                ('department_id', models.UUIDField()),
                ('practitioner_id', models.UUIDField()),
                ('planned', models.IntegerField(db_default=0)),
                ('open', models.IntegerField(db_default=0)),
                ('done', models.IntegerField(db_default=0)),
                ('closed', models.IntegerField(db_default=0)),
                ('excluded', models.IntegerField(db_default=0)),
                ('attempted', models.IntegerField(db_default=0)),
                ('followed', models.IntegerField(db_default=0)),
                ('effective', models.IntegerField(db_default=0)),
                ('online', models.IntegerField(db_default=0)),
                ('calls', models.IntegerField(db_default=0)),
                ('calls_reached', models.IntegerField(db_default=0)),
                ('calls_invalid', models.IntegerField(db_default=0)),
                ('alerts', models.IntegerField(db_default=0)),
                ('alerts_accepted', models.IntegerField(db_default=0)),
                ('alerts_closed', models.IntegerField(db_default=0)),
                ('alerts_closed_in_time', models.IntegerField(db_default=0)),
                ('alert_close_seconds', models.BigIntegerField(db_default=0)),
                ('discharges', models.IntegerField(db_default=0)),
                ('discharges_excluded', models.IntegerField(db_default=0)),
                ('contacted_72h', models.IntegerField(db_default=0)),
                ('contacted_14d', models.IntegerField(db_default=0)),
            ],
            options={
                'indexes': [models.Index(fields=['month', 'department_id'], name='rollup_month')],
            },
        ),
    ]
