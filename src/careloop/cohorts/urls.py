"""Addresses of the four ways in, cohorts, special topics, lists and work in bulk."""

from django.urls import path

from careloop.cohorts.views import builder, bulk, exports, tags, topics, ways

app_name = "cohorts"
urlpatterns = [
    path("", ways.ways, name="ways"),
    path("diagnosis/", ways.by_diagnosis, name="by-diagnosis"),
    path("new/", builder.new, name="new"),
    path("build/", builder.build, name="build"),
    path("count/", builder.count, name="count"),
    path("ask/", builder.ask, name="ask"),
    path("groups/<uuid:cohort_id>/", builder.cohort, name="cohort"),
    path("groups/<uuid:cohort_id>/left-out/", builder.left_out, name="left-out"),
    path("groups/<uuid:cohort_id>/change/", builder.change, name="change"),
    path("groups/<uuid:cohort_id>/keep/", builder.keep, name="keep"),
    path("groups/<uuid:cohort_id>/archive/", builder.archive, name="archive"),
    path("groups/<uuid:cohort_id>/choose/", bulk.choose_from_cohort, name="choose"),
    path("groups/<uuid:cohort_id>/topic/", topics.start, name="start-topic"),
    path("groups/<uuid:cohort_id>/topic/offer/", topics.offer, name="topic-offer"),
    path("groups/<uuid:cohort_id>/export/", exports.export, name="export"),
    path("topics/<uuid:topic_id>/", topics.topic, name="topic"),
    path("topics/<uuid:topic_id>/progress/", topics.progress, name="topic-progress"),
    path("topics/<uuid:topic_id>/close/", topics.close, name="close-topic"),
    path("topics/<uuid:topic_id>/choose/", bulk.choose_from_topic, name="choose-topic"),
    path("bulk/<uuid:selection_id>/", bulk.preview, name="bulk"),
    path("bulk/<uuid:selection_id>/<slug:verb>/", bulk.preview, name="bulk-work"),
    path("bulk/<uuid:selection_id>/<slug:verb>/start/", bulk.start, name="bulk-start"),
    path("tags/words/", tags.tag_words, name="tag-words"),
    path("tags/<uuid:patient_id>/", tags.tags, name="tags"),
    path("exports/", exports.exports, name="exports"),
]
