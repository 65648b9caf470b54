"""What a variant's record says, the gate before an alias, and measurements of latency."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import rilaas.hub.models.model


class Migration(migrations.Migration):
    """Variants that are there have no record: none of them gets a passed gate."""

    dependencies = [("hub", "0004_evaluation_job")]

    operations = [
        migrations.AddField(
            model_name="model",
            name="protected",
            field=models.JSONField(blank=True, default=rilaas.hub.models.model.default_protected),
        ),
        migrations.AddField(
            model_name="variant", name="gate", field=models.CharField(blank=True, default="", max_length=6)
        ),
        migrations.AddField(model_name="variant", name="record", field=models.JSONField(blank=True, default=dict)),
        migrations.AddField(model_name="variant", name="waiver", field=models.JSONField(blank=True, default=dict)),
        migrations.CreateModel(
            name="LatencyMeasurement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("measured", models.JSONField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "variant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="latencies", to="hub.variant"
                    ),
                ),
            ],
            options={"indexes": [models.Index(fields=["variant", "-id"], name="hub_latency_variant_604b1d_idx")]},
        ),
    ]
