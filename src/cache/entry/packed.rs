//! A header block at rest: its tags and fields in one allocation, without a table.
//!
//! What is handed out is a table again, made to measure; its values are slices of the block, so that no byte of
//! them is copied.

use std::ops::Range;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::tags::{Tag, Tags};

/// Tags, each in eight bytes, then fields, each as a name and a value. Texts stand behind their lengths; a name that
/// is known is a number.
#[derive(Clone)]
pub(super) struct Packed(Bytes);

impl Packed {
    pub fn new(tags: &Tags, fields: &HeaderMap) -> Packed {
        let mut packer = Packer(Vec::new());
        packer.number(tags.iter().count());
        tags.iter().for_each(|tag| packer.0.extend_from_slice(&tag.bits().to_le_bytes()));
        packer.number(fields.len());
        for (name, value) in fields {
            packer.name(name);
            packer.text(value.as_bytes());
        }
        Packed(Bytes::from(packer.0.into_boxed_slice()))
    }

    /// In an allocation of its own, which no reader of this one shares.
    pub fn copied(&self) -> Packed {
        Packed(Bytes::from(Box::<[u8]>::from(&*self.0)))
    }

    pub fn tags(&self) -> impl Iterator<Item = Tag> {
        self.tag_bytes().as_chunks().0.iter().map(|bits| Tag::from_bits(u64::from_le_bytes(*bits)))
    }

    fn tag_bytes(&self) -> &[u8] {
        let mut reader = Unpacker::new(&self.0);
        let range = reader.tags();
        self.0.get(range).unwrap_or_default()
    }

    /// As a table with room for `more` fields.
    pub fn fields(&self, more: usize) -> HeaderMap {
        let mut reader = Unpacker::new(&self.0);
        reader.tags();
        let count = reader.number();
        let mut fields = HeaderMap::try_with_capacity(count + more).unwrap_or_default();
        for _ in 0..count {
            let name = reader.name();
            // SAFETY: what stands here was written by `new`, which took it from a value, and a block never changes;
            // so these are bytes that a value may have.
            let value = unsafe { HeaderValue::from_maybe_shared_unchecked(self.0.slice(reader.text())) };
            match name {
                Name::Known(name) => fields.append(name, value),
                Name::Other(text) => match HeaderName::from_bytes(&self.0[text]) {
                    Ok(name) => fields.append(name, value),
                    Err(_) => break,
                },
            };
        }
        fields
    }

    /// What it takes.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}

struct Packer(Vec<u8>);

impl Packer {
    /// Seven bits a byte, the low ones first; the high bit says that more follow.
    fn number(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn text(&mut self, text: &[u8]) {
        self.number(text.len());
        self.0.extend_from_slice(text);
    }

    fn name(&mut self, name: &HeaderName) {
        match KNOWN.iter().position(|known| known == name) {
            Some(number) => self.0.push(number as u8),
            None => {
                self.0.push(UNKNOWN);
                self.text(name.as_str().as_bytes());
            }
        }
    }
}

/// Reads what a [`Packer`] wrote, and nothing else.
struct Unpacker<'a> {
    block: &'a [u8],
    at: usize,
}

impl Unpacker<'_> {
    fn new(block: &[u8]) -> Unpacker<'_> {
        Unpacker { block, at: 0 }
    }

    fn byte(&mut self) -> u8 {
        let byte = self.block.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        byte
    }

    fn number(&mut self) -> usize {
        let mut byte = self.byte();
        let (mut number, mut shift) = (usize::from(byte & 0x7f), 7);
        while byte >= 0x80 && shift <= 28 {
            byte = self.byte();
            number |= usize::from(byte & 0x7f) << shift;
            shift += 7;
        }
        number
    }

    fn skip(&mut self, bytes: usize) -> Range<usize> {
        let first = self.at.min(self.block.len());
        self.at = first.saturating_add(bytes).min(self.block.len());
        first..self.at
    }

    fn tags(&mut self) -> Range<usize> {
        let count = self.number();
        self.skip(count * size_of::<u64>())
    }

    fn text(&mut self) -> Range<usize> {
        let length = self.number();
        self.skip(length)
    }

    fn name(&mut self) -> Name {
        match KNOWN.get(usize::from(self.byte())) {
            Some(known) => Name::Known(known),
            None => Name::Other(self.text()),
        }
    }
}

enum Name {
    Known(&'static HeaderName),
    Other(Range<usize>),
}

/// Stands before a name that is none of [`KNOWN`].
const UNKNOWN: u8 = u8::MAX;

/// Names that answers often carry, and whose text is not kept.
static KNOWN: [HeaderName; 88] = [
    header::ACCEPT_RANGES,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
    header::AGE,
    header::ALLOW,
    header::ALT_SVC,
    header::CACHE_CONTROL,
    header::CACHE_STATUS,
    header::CDN_CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::CONTENT_SECURITY_POLICY,
    header::CONTENT_SECURITY_POLICY_REPORT_ONLY,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::LINK,
    header::LOCATION,
    header::PRAGMA,
    header::REFERRER_POLICY,
    header::REFRESH,
    header::RETRY_AFTER,
    header::SERVER,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::VARY,
    header::VIA,
    header::WARNING,
    header::X_CONTENT_TYPE_OPTIONS,
    header::X_DNS_PREFETCH_CONTROL,
    header::X_FRAME_OPTIONS,
    header::X_XSS_PROTECTION,
    HeaderName::from_static("accept-ch"),
    HeaderName::from_static("cache-groups"),
    HeaderName::from_static("cache-tag"),
    HeaderName::from_static("cf-cache-status"),
    HeaderName::from_static("cf-ray"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("cross-origin-embedder-policy"),
    HeaderName::from_static("cross-origin-opener-policy"),
    HeaderName::from_static("cross-origin-resource-policy"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("edge-cache-tag"),
    HeaderName::from_static("nel"),
    HeaderName::from_static("origin-agent-cluster"),
    HeaderName::from_static("p3p"),
    HeaderName::from_static("permissions-policy"),
    HeaderName::from_static("priority"),
    HeaderName::from_static("report-to"),
    HeaderName::from_static("reporting-endpoints"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("seawall-cache-control"),
    HeaderName::from_static("server-timing"),
    HeaderName::from_static("sourcemap"),
    HeaderName::from_static("status"),
    HeaderName::from_static("surrogate-control"),
    HeaderName::from_static("surrogate-key"),
    HeaderName::from_static("timing-allow-origin"),
    HeaderName::from_static("x-amz-cf-id"),
    HeaderName::from_static("x-amz-id-2"),
    HeaderName::from_static("x-amz-request-id"),
    HeaderName::from_static("x-amz-server-side-encryption"),
    HeaderName::from_static("x-amz-version-id"),
    HeaderName::from_static("x-aspnet-version"),
    HeaderName::from_static("x-cache"),
    HeaderName::from_static("x-cache-hits"),
    HeaderName::from_static("x-download-options"),
    HeaderName::from_static("x-generator"),
    HeaderName::from_static("x-permitted-cross-domain-policies"),
    HeaderName::from_static("x-powered-by"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-robots-tag"),
    HeaderName::from_static("x-runtime"),
    HeaderName::from_static("x-served-by"),
    HeaderName::from_static("x-timer"),
    HeaderName::from_static("x-ua-compatible"),
    HeaderName::from_static("x-varnish"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name() -> impl Strategy<Value = HeaderName> {
        prop_oneof![
            (0..KNOWN.len()).prop_map(|number| KNOWN[number].clone()),
            "[a-z][a-z0-9-]{0,30}".prop_map(|name| HeaderName::try_from(name).unwrap()),
        ]
    }

    fn value() -> impl Strategy<Value = HeaderValue> {
        proptest::collection::vec(prop_oneof![0x20..0x7f_u8, 0x80..=0xff_u8], 0..160)
            .prop_map(|bytes| HeaderValue::from_bytes(&bytes).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn what_is_unpacked_is_what_was_packed(
            lines in proptest::collection::vec((name(), value()), 0..40),
            tags in proptest::collection::vec(any::<u64>(), 0..40),
        ) {
            // Those that repeat a name stand together in a table.
            let mut fields = HeaderMap::new();
            for (name, value) in &lines {
                fields.append(name, value.clone());
            }
            let tags: Tags = tags.into_iter().map(Tag::from_bits).collect();
            let packed = Packed::new(&tags, &fields);
            prop_assert_eq!(packed.tags().collect::<Tags>(), tags);
            prop_assert!(packed.fields(3).iter().eq(fields.iter()));
            prop_assert!(packed.copied().fields(0).iter().eq(fields.iter()));
        }
    }

    #[test]
    fn values_are_no_copies() {
        let fields = HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("\"1\""))]);
        let packed = Packed::new(&Tags::default(), &fields);
        let [one, other] = [packed.fields(0), packed.fields(0)];
        assert_eq!(one[header::ETAG].as_bytes().as_ptr(), other[header::ETAG].as_bytes().as_ptr());
    }

    #[test]
    fn each_name_has_one_number() {
        let names: std::collections::BTreeSet<&str> = KNOWN.iter().map(HeaderName::as_str).collect();
        assert_eq!(names.len(), KNOWN.len());
        assert!(KNOWN.len() <= usize::from(UNKNOWN));
    }
}
