"""The figures over HTTP: `app.include_router(stats_router(manager))`.

In: nothing. Out: the router for a FastAPI application.
Never imported by the rest of the package, which needs no FastAPI.
"""

from reznet_ws.adapters.fastapi import stats_router

__all__ = ["stats_router"]
