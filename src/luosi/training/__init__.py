"""Training library: the loop and its parts; knows neither stages nor recipes."""
