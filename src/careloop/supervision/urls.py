"""Addresses of supervision."""

from django.urls import path

from careloop.supervision.views import checks, figures, findings, records, samples

app_name = "supervision"
urlpatterns = [
    path("", samples.home, name="home"),
    path("samples/new/", samples.new_sample, name="new-sample"),
    path("samples/population/", samples.population, name="population"),
    path("samples/<uuid:sample_id>/", samples.sample, name="sample"),
    path("samples/<uuid:sample_id>/widen/", samples.widen, name="widen"),
    path("checks/<uuid:record_id>/", checks.check, name="check"),
    path("checks/<uuid:record_id>/begin/", checks.begin, name="begin"),
    path("checks/<uuid:record_id>/number/<uuid:contact_id>/", checks.number, name="number"),
    path("checks/<uuid:record_id>/answers/<slug:link_id>/", checks.answer, name="answer"),
    path("checks/<uuid:record_id>/submit/", checks.submit, name="submit"),
    path("checks/<uuid:record_id>/not-reached/", checks.not_reached, name="not-reached"),
    path("checks/<uuid:record_id>/stop/", checks.stop, name="stop"),
    path("checks/<uuid:record_id>/differences/", checks.differences, name="differences"),
    path("checks/<uuid:record_id>/verdict/", checks.verdict, name="verdict"),
    path("checks/<uuid:record_id>/see-now/", checks.unblind, name="unblind"),
    path("checks/<uuid:record_id>/hand-over/", checks.hand_over, name="hand-over"),
    path("checks/<uuid:record_id>/finding/", checks.finding, name="raise-finding"),
    path("findings/", findings.findings, name="findings"),
    path("findings/<uuid:finding_id>/", findings.finding, name="finding"),
    path("findings/<uuid:finding_id>/answer/", findings.answer, name="answer-finding"),
    path("findings/<uuid:finding_id>/return/", findings.send_back, name="return-finding"),
    path("findings/<uuid:finding_id>/close/", findings.close, name="close-finding"),
    path("records/", records.records, name="records"),
    path("records/<uuid:response_id>/", records.record_page, name="record"),
    path("records/<uuid:response_id>/review/", records.review, name="review"),
    path("agreement/", figures.agreement, name="agreement"),
    path("integrity/", figures.integrity, name="integrity"),
    path("integrity/<uuid:practitioner_id>/", figures.person, name="person"),
    path("integrity/mine/", figures.mine, name="mine"),
]
