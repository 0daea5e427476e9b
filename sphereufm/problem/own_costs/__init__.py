"""What a cost of unknown make is given: scales, Hessian products by differences, a check of its declared symmetry."""
