"""What commands, pages and programs use of Luosi; the only place where rooms are wired. See workspace.py."""

from luosi.api.job import Asked
from luosi.api.stages import STAGES
from luosi.api.workspace import Damage, RecipeRef, Served, Shown, Workspace, shipped_recipe

__all__ = ["STAGES", "Asked", "Damage", "RecipeRef", "Served", "Shown", "Workspace", "shipped_recipe"]
