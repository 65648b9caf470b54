"""The hub's own metrics, for Prometheus."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import sync_and_async_middleware

from rilaas.hub.metrics.background import WINDOW
from rilaas.hub.middleware import GetResponse, after
from rilaas.hub.models import Interceptor, Job, MetricSample, PolicyEpoch, Server
from rilaas.hub.models.job import JOB_STATES
from rilaas.observe import Registry

REGISTRY = Registry()
_REQUESTS = REGISTRY.counter(
    "rilaas_hub_requests_total", "Requests answered, by page and HTTP status.", ("page", "method", "status")
)
_SECONDS = REGISTRY.histogram("rilaas_hub_request_seconds", "From a request to its answer.", ("page",))
_SILENT = timedelta(seconds=10)  # interceptors and servers report every 2 s
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@sync_and_async_middleware
def count_requests(get_response: GetResponse) -> GetResponse:
    """Middleware: count each answer under the name of its page, never under its address."""
    return after(get_response, _count)


def _count(request: HttpRequest, response: HttpResponse, seconds: float) -> HttpResponse:
    page = (request.resolver_match.url_name if request.resolver_match else None) or "-"
    method = request.method if request.method in _METHODS else "-"
    _REQUESTS.inc(page=page, method=method or "-", status=str(response.status_code))
    _SECONDS.observe(seconds, page=page)
    return response


def own_metrics() -> str:
    """All of them, in the text format; counts of the database as they are now."""
    now = Registry()
    jobs = now.gauge("rilaas_hub_jobs", "Jobs, by state.", ("state",))
    counts = dict(Job.objects.values_list("state").annotate(Count("pk")).order_by())
    for state in JOB_STATES:
        jobs.set(counts.get(state, 0), state=state)
    epoch = PolicyEpoch.objects.filter(pk=1).values_list("epoch", flat=True).first()
    now.gauge("rilaas_hub_policy_epoch", "Number of the last change of the access policy.").set(epoch or 0)
    up = now.gauge("rilaas_hub_services_up", "Services that report.", ("kind",))
    since = timezone.now() - _SILENT
    up.set(Interceptor.objects.filter(last_report_at__gte=since).count(), kind="interceptor")
    up.set(Server.objects.filter(last_report_at__gte=since).count(), kind="server")
    samples = now.gauge("rilaas_hub_samples", "Samples of people's own metrics that are kept.")
    samples.set(MetricSample.objects.count())
    series = now.gauge("rilaas_hub_window_series", "Series in the hub's own window of metrics.")
    series.set(WINDOW.series_count)
    dropped = now.counter("rilaas_hub_window_dropped_total", "Readings for which the window had no room.")
    dropped.inc(WINDOW.dropped)
    return REGISTRY.to_text() + now.to_text().partition("# HELP rilaas_metrics_overflow_total")[0]
