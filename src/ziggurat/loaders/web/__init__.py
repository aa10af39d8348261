"""Pages and sites of the web. The shop window."""

from ziggurat.loaders.web.openers import open_page, open_site, open_sitemap, open_web

__all__ = ["open_page", "open_site", "open_sitemap", "open_web"]
