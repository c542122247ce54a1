"""Web: pages for people over api and serve."""
