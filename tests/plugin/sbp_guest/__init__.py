"""An engine and a circuit that sbp did not come with."""
