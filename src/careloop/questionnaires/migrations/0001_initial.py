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
            name='Questionnaire',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('url', models.CharField(max_length=400)),
                ('version', models.CharField(max_length=60)),
                ('name', models.CharField(max_length=60)),
                ('title', models.CharField(max_length=120)),
                ('title_en', models.CharField(blank=True, default='', max_length=120)),
                ('status', models.CharField(choices=[('draft', 'Draft'), ('active', 'In force'), ('retired', 'Retired')], default='draft', max_length=8)),
                ('content', models.JSONField()),
                ('content_hash', models.CharField(max_length=64)),
                ('source', models.CharField(blank=True, default='', max_length=400)),
                ('is_verified', models.BooleanField(default=False)),
                ('valid_from', models.DateField()),
                ('valid_to', models.DateField(null=True)),
                ('published_at', models.DateTimeField(null=True)),
                ('is_shipped', models.BooleanField(default=False)),
                ('published_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('author', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('department', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('url', 'version'), name='questionnaire_version_once'), models.UniqueConstraint(condition=models.Q(('status', 'active')), fields=('url',), name='questionnaire_one_in_force')],
            },
        ),
        migrations.CreateModel(
            name='QuestionnaireResponse',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('canonical', models.CharField(max_length=461)),
                ('task_id', models.UUIDField(null=True)),
                ('status', models.CharField(choices=[('in-progress', 'Being answered'), ('completed', 'Completed'), ('amended', 'Replaced by a later version'), ('entered-in-error', 'Entered in error')], default='in-progress', max_length=18)),
                ('mode', models.CharField(choices=[('phone', 'Phone call'), ('portal', "Patient's own page"), ('paper', 'Paper'), ('visit', 'Home or clinic visit')], max_length=8)),
                ('answers', models.JSONField(default=dict)),
                ('dropped', models.JSONField(default=dict)),
                ('scores', models.JSONField(default=dict)),
                ('findings', models.JSONField(default=list)),
                ('classification', models.JSONField(null=True)),
                ('started_at', models.DateTimeField()),
                ('authored_at', models.DateTimeField(null=True)),
                ('author', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='responses', to='patients.patient')),
                ('questionnaire', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='responses', to='questionnaires.questionnaire')),
                ('replaces', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replaced_by', to='questionnaires.questionnaireresponse')),
                ('instances', models.JSONField(default=dict)),
            ],
            options={
                'indexes': [models.Index(fields=['patient', '-started_at'], name='response_of_patient')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('status__in', ['in-progress', 'completed'])), fields=('task_id',), name='response_once_per_task'), models.CheckConstraint(condition=models.Q(('status', 'in-progress'), ('authored_at__isnull', False), ('status', 'entered-in-error'), _connector='OR'), name='response_completed_has_time')],
            },
        ),
        migrations.CreateModel(
            name='AnswerFact',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('questionnaire_url', models.CharField(max_length=400)),
                ('link_id', models.CharField(max_length=255)),
                ('code', models.CharField(blank=True, default='', max_length=255)),
                ('number', models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ('text', models.CharField(blank=True, default='', max_length=500)),
                ('date', models.DateField(null=True)),
                ('unit', models.CharField(blank=True, default='', max_length=20)),
                ('answered_at', models.DateTimeField()),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='answer_facts', to='patients.patient')),
                ('response', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='facts', to='questionnaires.questionnaireresponse')),
                ('absent_reason', models.CharField(blank=True, default='', max_length=20)),
                ('instance', models.SmallIntegerField(default=1)),
            ],
            options={
                'indexes': [models.Index(fields=['questionnaire_url', 'link_id', 'answered_at'], name='fact_of_question'), models.Index(fields=['patient', 'link_id', '-answered_at'], name='fact_of_patient')],
            },
        ),
        migrations.CreateModel(
            name='QuestionnaireDraft',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('url', models.CharField(max_length=400)),
                ('version', models.CharField(max_length=60)),
                ('title', models.CharField(max_length=120)),
                ('status', models.CharField(choices=[('editing', 'Draft'), ('in-review', 'Waiting for review'), ('published', 'Published'), ('discarded', 'Discarded')], default='editing', max_length=10)),
                ('content', models.JSONField()),
                ('revision', models.IntegerField(default=1)),
                ('step', models.IntegerField(default=1)),
                ('submitted_at', models.DateTimeField(null=True)),
                ('remark', models.CharField(blank=True, default='', max_length=400)),
                ('notes', models.JSONField(default=list)),
                ('changed_at', models.DateTimeField()),
                ('author', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('based_on', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='drafts', to='questionnaires.questionnaire')),
                ('department', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization')),
                ('editor', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('published_as', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='made_from', to='questionnaires.questionnaire')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('status__in', ['editing', 'in-review'])), fields=('url', 'version'), name='draft_version_once'), models.CheckConstraint(condition=models.Q(('status', 'published'), ('published_as__isnull', True), _connector='XOR'), name='draft_published_has_version')],
            },
        ),
        migrations.CreateModel(
            name='DraftStep',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('number', models.IntegerField()),
                ('what', models.CharField(max_length=60)),
                ('content', models.JSONField()),
                ('made_at', models.DateTimeField()),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('draft', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='steps', to='questionnaires.questionnairedraft')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('draft', 'number'), name='draft_step_once')],
            },
        ),
        migrations.CreateModel(
            name='Attachment',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('link_id', models.CharField(max_length=255)),
                ('content_type', models.CharField(max_length=40)),
                ('size', models.IntegerField()),
                ('sha256', models.CharField(max_length=64)),
                ('data', models.BinaryField()),
                ('source', models.CharField(max_length=10)),
                ('added_at', models.DateTimeField()),
                ('removed_at', models.DateTimeField(null=True)),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='attachments', to='patients.patient')),
                ('response', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='attachments', to='questionnaires.questionnaireresponse')),
            ],
            options={
                'indexes': [models.Index(fields=['response', 'link_id'], name='attachment_of_answer')],
                'constraints': [models.CheckConstraint(condition=models.Q(('removed_at__isnull', True), ('size', 0), _connector='OR'), name='attachment_removed_is_empty')],
            },
        ),
        migrations.CreateModel(
            name='FavouriteForm',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('url', models.CharField(max_length=400)),
                ('practitioner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('practitioner', 'url'), name='favourite_form_once')],
            },
        ),
        migrations.CreateModel(
            name='LibraryItem',
            fields=[
                ('id', models.UUIDField(default=careloop.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('title', models.CharField(max_length=120)),
                ('content', models.JSONField()),
                ('department', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization')),
                ('practitioner', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('department__isnull', True), ('practitioner__isnull', True), _connector='XOR'), name='library_item_has_one_owner')],
            },
        ),
    ]
