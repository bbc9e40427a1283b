from django.apps import AppConfig


class PublichealthConfig(AppConfig):
    name = "careloop.publichealth"
