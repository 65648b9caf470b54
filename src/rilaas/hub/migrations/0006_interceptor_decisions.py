"""The last decisions of an interceptor: which server, and why."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Interceptors tell them with their next report."""

    dependencies = [("hub", "0005_variant_record")]

    operations = [
        migrations.AddField(
            model_name="interceptor", name="decisions", field=models.JSONField(blank=True, default=list)
        ),
    ]
