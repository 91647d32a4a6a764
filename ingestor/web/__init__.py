"""What other processes may ask of the one that holds the state folder."""
