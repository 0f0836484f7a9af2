"""The HTML to copy for a book's cover, and the templates of catalogues."""

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import escape

from coverproxy.web.api.page_schemas import CatalogueSnippet

LIST_SIZE = "medium"
"""The size for lists in catalogues; every config has it."""

EXAMPLE = "9780141439518"
"""The ISBN in an example URL: a classic that most collections have."""


@dataclass(frozen=True, slots=True)
class SnippetPicture:
    """A size of a cover: its name, its true sides in px, and its address."""

    name: str
    width: int
    height: int
    url: str


def html(picture: SnippetPicture, alt: str) -> str:
    """Return an image tag that reserves the picture's space while it loads."""
    return (
        f'<img src="{escape(picture.url)}" alt="{escape(alt)}"'
        f' width="{picture.width}" height="{picture.height}">'
    )


def html_sharp(pictures: Iterable[SnippetPicture], alt: str) -> str:
    """Return a tag with every size, from which the browser picks the one for its screen."""
    ordered = sorted(pictures, key=lambda each: each.width)
    chosen = next(each for each in ordered if each.name == LIST_SIZE)
    choice = ",\n             ".join(f"{escape(each.url)} {each.width}w" for each in ordered)
    return (
        f'<img src="{escape(chosen.url)}"\n     srcset="{choice}"\n     sizes="{chosen.width}px"'
        f' alt="{escape(alt)}"\n     width="{chosen.width}" height="{chosen.height}" loading="lazy">'
    )


def of_catalogues(base: str, key: str, size: str) -> list[CatalogueSnippet]:
    """Return what to set in each catalogue, by its own settings where it has some for a cover service.

    VuFind's, Evergreen's and Aspen's servers fetch covers themselves, by the addresses of services they know.
    Koha shows anything with a height, so it must get errors: the pixel would count as a cover.
    """
    ours = f"{base}/devkey/{key}"
    return _named(
        ("Koha: OPACCustomCoverImages, CustomCoverImagesURL", f"{ours}/{size}/isbn/{{isbn}}?default=404"),
        ("Koha: OpacCoce and Coce, CoceHost (CoceProviders: Open Library)", ours),
        ("VuFind: config.ini (give the key the role of a catalogue's server)", _vufind(base, key)),
        ("Evergreen: opensrf.xml, added_content (likewise)", _evergreen(ours)),
        ("Aspen Discovery: Coce server URL (likewise)", f"{ours}/"),
        ("Blacklight: a template, where the index has the field isbn_ssim", _blacklight(f"{ours}/{size}")),
    )


def of_publishing(base: str, key: str, size: str) -> list[CatalogueSnippet]:
    """Return templates for a repository and for a blog, which have no setting for a cover service."""
    ours = f"{base}/devkey/{key}/{size}/isbn"
    return _named(
        ("DSpace 8 and later: your theme's untyped-item and publication .component.html", _dspace(ours)),
        ("DSpace 7: the same templates", _dspace_7(ours)),
        (
            "WordPress: a block “Custom HTML”",
            f'<img src="{ours}/{EXAMPLE}" alt="Cover of TITLE by AUTHOR" width="200" loading="lazy">',
        ),
        ("WordPress: functions.php of a child theme, then [cover isbn=… title=…]", _wordpress(ours)),
    )


def _named(*templates: tuple[str, str]) -> list[CatalogueSnippet]:
    return [{"name": name, "code": code} for name, code in templates]


def _vufind(base: str, key: str) -> str:
    return f'[Content]\ncoverimages = "ContentCafe:{key}"\n\n[Contentcafe]\nurl = "{base}"\npw = "-"'


def _evergreen(ours: str) -> str:
    return f"<module>OpenILS::WWW::AddedContent::Amazon</module>\n<base_url>{ours}/images/P/</base_url>"


def _blacklight(ours: str) -> str:
    return (
        "<% document.fetch(:isbn_ssim, []).first(1).each do |isbn| %>\n"
        f'  <img src="{ours}/isbn/<%= ERB::Util.url_encode(isbn) %>" alt="">\n'
        "<% end %>"
    )


def _dspace(ours: str) -> str:
    """Return a template that uses no directive: components import those, and NgIf not since version 9."""
    return (
        "@if (object.firstMetadataValue('dc.identifier.isbn'); as isbn) {\n"
        f'  <img [src]="\'{ours}/\' + isbn" alt="" loading="lazy">\n'
        "}"
    )


def _dspace_7(ours: str) -> str:
    return (
        "<img *ngIf=\"object.firstMetadataValue('dc.identifier.isbn') as isbn\"\n"
        f'     [src]="\'{ours}/\' + isbn" alt="" loading="lazy">'
    )


def _wordpress(ours: str) -> str:
    return (
        "add_shortcode( 'cover', function ( $atts ) {\n"
        "    $atts = shortcode_atts( array( 'isbn' => '', 'title' => '' ), $atts );\n"
        "    if ( '' === $atts['isbn'] ) {\n"
        "        return '';\n"
        "    }\n"
        f"    $url = '{ours}/' . rawurlencode( $atts['isbn'] );\n"
        "    return '<img src=\"' . esc_url( $url ) . '\" alt=\"' . esc_attr( $atts['title'] )\n"
        '        . \'" loading="lazy">\';\n'
        "} );"
    )


def without_cover(base: str, key: str, size: str, isbn: str) -> dict[str, str]:
    """Return what to write for a book that may have no cover: collapse, a card, or an error to handle."""
    ours = f"{base}/devkey/{key}/{size}/isbn/{isbn}"
    return {
        "collapse": f'<img src="{ours}" alt="">',
        "card": f'<img src="{ours}?default=card&amp;title=TITLE&amp;author=AUTHOR" alt="TITLE by AUTHOR">',
        "onerror": f'<img src="{ours}?default=404" alt="" onerror="this.remove()">',
    }
