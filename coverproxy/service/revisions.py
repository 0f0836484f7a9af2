"""Which folders of the cache the settings name: the present ones, and those of the layout before."""

from coverproxy.cache.layout import Former, Revisions
from coverproxy.config import Config
from coverproxy.domain.formats import Format
from coverproxy.imaging.render import REVISION


def revisions(config: Config) -> tuple[Revisions, Former]:
    """Return the present revisions, and those that a cache of layout v1 may hold by their present names."""
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
