"""The product of spheres: points, tangents, distances, random points; symmetry groups and their orbits."""
