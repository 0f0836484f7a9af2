"""The HTTP layer: routes, shapes, answers, pages."""
