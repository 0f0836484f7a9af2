"""The modules for other systems, run by those systems' own languages against a real server."""

import asyncio
import json
import subprocess
from pathlib import Path

from conftest import COVERED, UNCOVERED, Running, take_in
from images import small_jpeg
from services import program

ROOT = Path(__file__).resolve().parents[2] / "integrations"

PHP = """
namespace VuFind\\Content {
    // what VuFind's class declares, as far as a loader uses it
    abstract class AbstractCover {
        protected $supportsIsbn = false; protected $supportsIssn = false; protected $supportsIsmn = false;
        protected $supportsOclc = false; protected $supportsUpc = false; protected $cacheAllowed = false;
        public function isCacheAllowed() { return $this->cacheAllowed; }
        abstract public function getUrl($key, $size, $ids);
    }
}
namespace {
    class Isbn {
        public function __construct(private $thirteen, private $ten) {}
        public function get13() { return $this->thirteen; }
        public function get10() { return $this->ten; }
    }
    require $argv[1];
    $loader = new \\CoverProxy\\Content\\Covers\\CoverProxy();
    $key = 'https://covers.example.org/devkey/KEY/';
    $cases = [
        [$key, 'medium', ['isbn' => new Isbn('9780141439518', '0141439513'), 'oclc' => '12']],
        [$key, 'small', ['isbn' => new Isbn(false, '0141439513')]],
        [$key, 'small', ['isbn' => new Isbn(false, '0141439513'), 'isbns' => [
            new Isbn(false, '0141439513'), new Isbn(false, false), new Isbn('9780141439556', null)]]],
        [$key, 'large', ['oclc' => ' 12345 ']],
        [$key, 'large', ['issn' => '0378-5955', 'upc' => '036000291452']],
        [$key, 'large', ['recordid' => 'x']],
        ['KEY', 'large', ['oclc' => '1']],
        [null, 'large', []],
    ];
    echo json_encode(array_map(fn ($case) => $loader->getUrl(...$case), $cases));
}
"""


def test_vufind_addresses() -> None:
    """The loader asks by the best identifier, as an error where there is no cover; never without a key."""
    php = program("php", package="php-cli")
    done = subprocess.run(
        [php, "-r", PHP, str(ROOT / "vufind" / "CoverProxy.php")], capture_output=True, text=True, check=True
    )
    base = "https://covers.example.org/devkey/KEY"

    assert json.loads(done.stdout) == [
        f"{base}/medium/isbn/9780141439518?default=404",
        f"{base}/small/isbn/0141439513?default=404",
        f"{base}/small/isbn/0141439513%7C9780141439556?default=404",
        f"{base}/large/oclc/12345?default=404",
        f"{base}/large/issn/0378-5955?default=404",
        False,
        False,
        False,
    ]


PERL = """
use strict; use warnings;
package OpenILS::WWW::AddedContent;
BEGIN { $INC{'OpenILS/WWW/AddedContent.pm'} = 1; }
use HTTP::Tiny;
sub get_url {
    my ($class, $url) = @_;
    my $found = HTTP::Tiny->new(timeout => 10)->get($url);
    die "error $found->{status}" unless $found->{success};
    return bless $found, 'Response';
}
package Response;
sub header { my ($self, $name) = @_; return $self->{headers}{lc $name}; }
sub content { return $_[0]{content}; }
package main;
require $ARGV[0];
my $module = OpenILS::WWW::AddedContent::CoverProxy->new({ base_url => "$ARGV[1]/" });
my ($covered, $uncovered) = @ARGV[2, 3];
my @records = (
    { isbn => [$covered] }, { isbn => [$uncovered] }, { isbn => [undef, $covered], upc => [] }, {},
    { isbn => [$uncovered, "978-0-00-000000-0", $covered] }, { oclc => ["12345"] },
    { isbn => [], issn => [] },
);
for my $hash (@records) {
    # as Evergreen's handler does: the hash for those who say that they expect it, else one ISBN
    my $wants_hash = $module->can('expects_keyhash') && $module->expects_keyhash() eq 1;
    my $found = $module->jacket_medium($wants_hash ? $hash : $hash->{isbn}[0]);
    print $found ? "$found->{content_type} " . length($found->{content}) . "\\n" : "none\\n";
}
print $module->toc_html('x'), "\\n";
"""


async def test_evergreen_jackets(server: Running, tmp_path: Path) -> None:
    """Evergreen's module hands on a picture, by any of a record's ISBNs, or by its OCLC number.

    Where there is none, it hands on nothing: not the pixel, not an error.
    """
    (tmp_path / "a.jpg").write_bytes(small_jpeg(200, 300))
    (tmp_path / "list.csv").write_text("oclc,file\nocm00012345,a.jpg\n")
    await asyncio.to_thread(take_in, server.config, tmp_path / "list.csv", "copy")
    perl = program("perl")
    base = server.listeners.url + server.path().rpartition("/medium/")[0]
    code = [perl, "-e", PERL, str(ROOT / "evergreen" / "CoverProxy.pm"), base, COVERED, UNCOVERED]
    done = await asyncio.to_thread(subprocess.run, code, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert lines[0].startswith("image/jpeg ")
    assert int(lines[0].split()[1]) >= 2048
    assert lines[1:5] == ["none", lines[0], "none", lines[0]]
    assert lines[5].startswith("image/jpeg ")
    assert lines[6:8] == ["none", "0"]
