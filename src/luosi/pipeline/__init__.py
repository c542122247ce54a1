"""Pipeline: from a recipe's steps to published artifacts. key -> graph -> store -> runner; see each file's head."""
