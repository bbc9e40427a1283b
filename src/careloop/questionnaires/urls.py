"""Forms and answers."""

from django.urls import path

from careloop.questionnaires.views import designing, exchange, files, forms

app_name = "questionnaires"
urlpatterns = [
    path("", exchange.forms_list, name="list"),
    path("import/", exchange.take_in, name="import"),
    path("<uuid:questionnaire_id>/", forms.version, name="version"),
    path("<uuid:questionnaire_id>/fhir/", exchange.resource, name="fhir"),
    path("<uuid:questionnaire_id>/draft/", designing.new_version, name="new_version"),
    path("<uuid:questionnaire_id>/favourite/", exchange.favourite, name="favourite"),
    path("<uuid:questionnaire_id>/beside/<uuid:other_id>/", exchange.side_by_side, name="compare"),
    path("drafts/new/", designing.new, name="new"),
    path("drafts/<uuid:draft_id>/", designing.designer, name="designer"),
    path("drafts/<uuid:draft_id>/change/", designing.change, name="change"),
    path("drafts/<uuid:draft_id>/step/", designing.step, name="step"),
    path("drafts/<uuid:draft_id>/replay/", designing.replay, name="replay"),
    path("drafts/<uuid:draft_id>/submit/", designing.submit, name="submit"),
    path("drafts/<uuid:draft_id>/give-back/", designing.give_back, name="give_back"),
    path("drafts/<uuid:draft_id>/publish/", designing.publish, name="publish"),
    path("drafts/<uuid:draft_id>/discard/", designing.discard, name="discard"),
    path("drafts/<uuid:draft_id>/keep/", designing.keep, name="keep"),
    path("drafts/<uuid:draft_id>/beside/", exchange.draft_beside_version, name="draft_compare"),
    path("drafts/<uuid:draft_id>/fhir/", exchange.draft_resource, name="draft_fhir"),
    path("library/<uuid:item_id>/remove/", designing.forget, name="forget"),
    path("responses/<uuid:response_id>/", forms.response_page, name="response"),
    path("responses/<uuid:response_id>/print/", forms.response_print, name="print"),
    path("responses/<uuid:response_id>/answers/<path:link_id>/", forms.save_answer, name="save_answer"),
    path("patients/<uuid:patient_id>/responses/", forms.patient_responses, name="patient_responses"),
    path("files/<uuid:attachment_id>/", files.file, name="file"),
]
