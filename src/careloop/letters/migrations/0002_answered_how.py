"""How a letter was answered: on paper, or online by its own picture or another way."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("letters", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="letter",
            name="answered_how",
            field=models.CharField(
                blank=True,
                choices=[
                    ("slip", "Reply slip, call or visit"),
                    ("link", "Online, with the picture of this letter"),
                    ("online", "Online, another way"),
                ],
                default="",
                max_length=8,
            ),
        ),
        # Until now a letter could be answered on paper only.
        migrations.RunSQL("UPDATE letters_letter SET answered_how = 'slip' WHERE state = 'answered'", migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="letter",
            constraint=models.CheckConstraint(
                condition=models.Q(("state", "answered"), ("answered_how", ""), _connector="XOR"),
                name="letter_answered_has_way",
            ),
        ),
    ]
