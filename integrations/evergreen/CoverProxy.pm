# coverproxy as added content of Evergreen.
#
# Copy to OpenILS/WWW/AddedContent/CoverProxy.pm in Evergreen's perl library, and set in opensrf.xml:
#
#     <added_content>
#       <module>OpenILS::WWW::AddedContent::CoverProxy</module>
#       <base_url>https://covers.example.org/devkey/KEY</base_url>
#       <timeout>3</timeout>
#       ...
#     </added_content>
#
# Give the key the role "server": Evergreen asks for all of its readers from one address.
# SPDX-License-Identifier: MIT
package OpenILS::WWW::AddedContent::CoverProxy;
use strict;
use warnings;
use OpenILS::WWW::AddedContent;

my $AC = 'OpenILS::WWW::AddedContent';

sub new {
    my ($class, $args) = @_;
    return bless { %{ $args || {} } }, ref $class || $class;
}

sub base_url {
    my $self = shift;
    my $url = $self->{base_url} || '';
    $url =~ s{/+$}{};
    return $url;
}

# Without this Evergreen hands over one ISBN only, and nothing of records that have none.
sub expects_keyhash { return 1; }

sub jacket_small  { return $_[0]->_jacket('small',  $_[1]); }
sub jacket_medium { return $_[0]->_jacket('medium', $_[1]); }
sub jacket_large  { return $_[0]->_jacket('large',  $_[1]); }

# Only jackets: other kinds of added content have no answer here.
sub toc_html     { return 0; }
sub review_html  { return 0; }
sub excerpt_html { return 0; }
sub anotes_html  { return 0; }
sub summary_html { return 0; }

# The picture, or 0 where there is none. The service answers 200 and a transparent pixel for "none" and for
# "not yet": an error would count towards Evergreen's max_errors, which switches covers off for everybody. The pixel is
# not handed on, as Evergreen would keep it.
sub _jacket {
    my ($self, $size, $keys) = @_;
    for my $pair (_identifiers($keys)) {
        my ($scheme, $value) = @$pair;
        my $response = $AC->get_url($self->base_url . "/$size/$scheme/$value.jpg") or next;
        my $status = $response->header('X-Cover-Status') || '';
        next unless $status eq '' || $status =~ /^(?:hit|made|edition)$/;
        next unless ($response->header('Content-Type') || '') =~ m{^image/jpeg};
        return {
            content_type => 'image/jpeg',
            content      => $response->content,
            binary       => 1,
        };
    }
    return 0;
}

# Evergreen hands over an ISBN, or (since 2.5) a hash of lists by kind. Of ISBNs, a request takes several: the first
# that has a cover counts.
sub _identifiers {
    my $keys = shift;
    my %lists = ref $keys eq 'HASH' ? %$keys : (isbn => [$keys]);
    my @found;
    for my $kind ([isbn => 'isbn', 8], [issn => 'issn', 1], [upc => 'ean', 1], [oclc => 'oclc', 1]) {
        my ($name, $scheme, $most) = @$kind;
        my $list = $lists{$name};
        my @values = grep { defined && /\S/ } ref $list eq 'ARRAY' ? @$list : ($list);
        s/[^0-9A-Za-z]//g for @values;
        @values = grep { length } @values;
        splice @values, $most if @values > $most;
        push @found, [$scheme, join '%7C', @values] if @values;
    }
    return @found;
}

1;
