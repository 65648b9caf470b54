"""Evaluations that a job drives, and why an episode lacks a metric."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """An evaluation has a job and a plan; its verdict and its report come later."""

    dependencies = [("hub", "0003_recording")]

    operations = [
        migrations.AddField(
            model_name="evaluation",
            name="job",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="evaluation",
                to="hub.job",
            ),
        ),
        migrations.AddField(
            model_name="evaluation", name="plan", field=models.JSONField(blank=True, default=dict)
        ),
        migrations.AddField(model_name="episode", name="absent", field=models.JSONField(blank=True, default=dict)),
        migrations.AlterField(
            model_name="evaluation",
            name="verdict",
            field=models.CharField(blank=True, default="", max_length=10),
        ),
        migrations.AlterField(
            model_name="evaluation", name="report", field=models.TextField(blank=True, default="")
        ),
    ]
