"""What the docs page gives to copy, run by the languages of the systems that have no module of ours."""

import json
import subprocess
from html.parser import HTMLParser

import pytest
from services import program

from coverproxy.web.pages import snippets

BASE = "https://covers.example.org"

WORDPRESS = """
// as WordPress declares them (wp-includes/shortcodes.php and formatting.php), as far as a shortcode uses them
$shortcode_tags = array();
function add_shortcode( $tag, $callback ) { global $shortcode_tags; $shortcode_tags[ $tag ] = $callback; }
function shortcode_atts( $pairs, $atts, $shortcode = '' ) {
    $atts = (array) $atts;
    $out = array();
    foreach ( $pairs as $name => $default ) {
        $out[ $name ] = array_key_exists( $name, $atts ) ? $atts[ $name ] : $default;
    }
    return $out;
}
function esc_url( $url, $protocols = null, $_context = 'display' ) { return htmlspecialchars( $url ); }
function esc_attr( $text ) { return htmlspecialchars( $text, ENT_QUOTES ); }
error_reporting( E_ALL );
set_error_handler( function ( $no, $text ) { throw new Exception( $text ); } );
eval( $argv[1] );
// do_shortcode_tag() gives what the text has, "" where it has no attributes, the content and the tag
$given = array(
    array( 'isbn' => '978-0-14-143951-8', 'title' => 'Pride & "Prejudice"' ),
    array( 'isbn' => '"><script>' ),
    array( 'title' => 'No number' ),
    '',
);
echo json_encode( array_map( function ( $atts ) use ( $shortcode_tags ) {
    return call_user_func( $shortcode_tags['cover'], $atts, null, 'cover' );
}, $given ) );
"""


def snippet(start: str) -> str:
    """The snippet whose name begins so, for a key of which nothing else is in the way."""
    found = snippets.of_publishing(BASE, "cp_key", "medium")
    return next(each["code"] for each in found if each["name"].startswith(start))


def test_wordpress_shortcode() -> None:
    """[cover isbn=…] becomes an image, and nothing without a number; no text breaks out of it."""
    php = program("php", package="php-cli")
    code = snippet("WordPress: functions.php")
    done = subprocess.run([php, "-r", WORDPRESS, code], capture_output=True, text=True, check=True)
    at = f"{BASE}/devkey/cp_key/medium/isbn"

    assert json.loads(done.stdout) == [
        f'<img src="{at}/978-0-14-143951-8" alt="Pride &amp; &quot;Prejudice&quot;" loading="lazy">',
        f'<img src="{at}/%22%3E%3Cscript%3E" alt="" loading="lazy">',
        "",
        "",
    ]


KSES_IMG = {
    "alt",
    "align",
    "border",
    "height",
    "hspace",
    "loading",
    "longdesc",
    "vspace",
    "src",
    "usemap",
    "width",
}
"""What WordPress 5.5 and later leave of an <img> whose writer may not post any HTML (wp-includes/kses.php).

The block "Custom HTML" (core/html) saves what is typed as it is: nothing else of it could change.
"""


class Attributes(HTMLParser):
    """Each start tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, set[str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name for name, _ in attrs}))


def test_wordpress_block() -> None:
    """The block is one image, and an author without the right to post any HTML keeps all of it."""
    ((tag, names),) = Attributes(snippet("WordPress: a block")).found

    assert tag == "img"
    assert {"src", "alt", "loading"} <= names <= KSES_IMG


@pytest.mark.parametrize(("version", "needs_import"), [("DSpace 8", False), ("DSpace 7", True)])
def test_dspace_templates(version: str, *, needs_import: bool) -> None:
    """Where components import what their template uses, the template uses nothing that they do not import."""
    code = snippet(version)

    assert ("*ngIf" in code) == needs_import
    assert "object.firstMetadataValue('dc.identifier.isbn')" in code
    assert f"""[src]="'{BASE}/devkey/cp_key/medium/isbn/' + isbn\"""" in code
