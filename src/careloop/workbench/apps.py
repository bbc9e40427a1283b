from django.apps import AppConfig


class WorkbenchConfig(AppConfig):
    name = "careloop.workbench"
