"""Recordings of episodes."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """A table of its own, for few episodes have one."""

    dependencies = [("hub", "0002_sample_series_index")]

    operations = [
        migrations.CreateModel(
            name="Recording",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sha256", models.CharField(db_index=True, max_length=64)),
                ("size_bytes", models.PositiveBigIntegerField()),
                ("marks", models.PositiveIntegerField(default=0)),
                (
                    "episode",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="recording", to="hub.episode"
                    ),
                ),
            ],
        ),
    ]
