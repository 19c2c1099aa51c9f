from celery import Task


class LocalTask(Task):
    abstract = True
