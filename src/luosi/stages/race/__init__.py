"""Race: every route as an arm that is asked the user's own questions, weak arms stopped early, rented ones under a spending cap."""
