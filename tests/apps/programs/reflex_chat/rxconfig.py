"""What Reflex wants to know; the rest is its default."""

import reflex as rx

config = rx.Config(app_name="chat", telemetry_enabled=False, disable_plugins=[rx.plugins.SitemapPlugin])
