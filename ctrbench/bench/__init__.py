"""Tables as data, the runs they need, and the records those leave."""
