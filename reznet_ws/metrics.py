"""The figures for Prometheus: `app.mount("/metrics", MetricsApp(manager))`.

In: nothing. Out: an ASGI application.
Never imported by the rest of the package, which needs no prometheus_client.
"""

from reznet_ws.adapters.metrics import MetricsApp

__all__ = ["MetricsApp"]
