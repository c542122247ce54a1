"""A model company month by month: what it spends, earns and holds, by many trials of what is uncertain; and its figures against published ones."""
