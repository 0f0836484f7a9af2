<?php

/**
 * coverproxy as a cover provider of VuFind (7 and newer).
 *
 * Copy to module/CoverProxy (or any local module) as src/CoverProxy/Content/Covers/CoverProxy.php, register it with the
 * cover loader's plugin manager, and set in config.ini:
 *
 *     [Content]
 *     coverimages = "CoverProxy:https://covers.example.org/devkey/KEY"
 *
 * What stands behind the colon is the service's address with the developer key; VuFind hands it over as the API key.
 * Give the key the role "server": VuFind asks for all of its readers from one address.
 *
 * SPDX-License-Identifier: MIT
 */

namespace CoverProxy\Content\Covers;

class CoverProxy extends \VuFind\Content\AbstractCover
{
    public function __construct()
    {
        $this->supportsIsbn = $this->supportsIssn = $this->supportsIsmn = true;
        $this->supportsOclc = $this->supportsUpc = true;
        $this->cacheAllowed = true;
    }

    /**
     * Return the address of a cover, or false where none of the identifiers can be asked for.
     *
     * A cover that does not exist is a 404 here (default=404): VuFind then asks its next provider, and does not keep
     * a placeholder in its cache, which never expires.
     *
     * @param string $key  Address of the service with the developer key
     * @param string $size small, medium or large
     * @param array  $ids  Identifiers: isbn is VuFind's ISBN object, the others are strings
     *
     * @return string|bool
     */
    public function getUrl($key, $size, $ids)
    {
        if (!preg_match('~^https?://~', (string)$key)) {
            return false;
        }
        foreach (self::spelled($ids) as $scheme => $value) {
            return rtrim($key, '/') . '/' . $size . '/' . $scheme . '/' . rawurlencode($value) . '?default=404';
        }
        return false;
    }

    /**
     * Give the identifiers by scheme, in the order in which they are trusted. Of a record's ISBNs, which newer versions
     * have as a list, the first that has a cover counts.
     */
    private static function spelled(array $ids): iterable
    {
        $isbns = [];
        foreach ($ids['isbns'] ?? (isset($ids['isbn']) ? [$ids['isbn']] : []) as $isbn) {
            $isbns[] = $isbn->get13() ?: $isbn->get10();
        }
        if ($isbns = array_slice(array_unique(array_filter($isbns)), 0, 8)) {
            yield 'isbn' => implode('|', $isbns);
        }
        foreach (['ismn' => 'ismn', 'issn' => 'issn', 'oclc' => 'oclc', 'upc' => 'ean'] as $name => $scheme) {
            $value = $ids[$name] ?? '';
            if (is_object($value) && method_exists($value, 'get13')) {
                $value = $value->get13();
            }
            if (is_string($value) && trim($value) !== '') {
                yield $scheme => trim($value);
            }
        }
    }
}
