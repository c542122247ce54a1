"""Web: pages for people over a workspace and a gateway: chat, runs, verdict, questions, bill; in English and Chinese."""

from luosi.web.site import mount
from luosi.web.source import Workspace

__all__ = ["Workspace", "mount"]
