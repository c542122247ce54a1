"""What training, serving and a model company cost, at any scale: predicted from shapes, chips and counts, offline and with an interval."""
