"""What a model is, and the parts that models share."""
