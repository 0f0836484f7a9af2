"""The cache folders for the settings: the current revisions, and those of layout v1."""

from coverproxy.cache.layout import Former, Revisions
from coverproxy.config import Config
from coverproxy.domain.formats import Format
from coverproxy.imaging.render import REVISION


def revisions(config: Config) -> tuple[Revisions, Former]:
    """Return the current revisions, and the revisions of a cache of layout v1 by their present names."""
    present = {
        (name, form): size.revision(form, REVISION)
        for name, size in config.size_table.sizes.items()
        for form in Format
    }
    former = {
        (name, size.former_revision(renderer)): {form: size.revision(form, renderer) for form in Format}
        for name, size in config.sizes.items()
        for renderer in range(1, REVISION + 1)
    }
    return present, former
