"""An index in which people's own metrics lie by series."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Another index in place of name and time."""

    dependencies = [("hub", "0001_initial")]

    operations = [
        migrations.RemoveIndex(model_name="metricsample", name="hub_metrics_name_30ec3f_idx"),
        migrations.AddIndex(
            model_name="metricsample",
            index=models.Index(
                fields=["name", "unit", "robot", "person", "model", "at", "value"], name="sample_series"
            ),
        ),
    ]
