//! References from one URL to another at the same origin (RFC 3986 section 5.2).

use super::{PathAndQuery, Scheme, Url, UrlError, escapes, host, split_scheme};

impl Url {
    /// What `reference` points to, as an answer to this URL would mean it; `None` if that lies at another
    /// origin, in the sense of RFC 9110 section 4.3.1. `scheme` is that of this URL.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if there is no such URL.
    pub fn at_same_origin(&self, scheme: Scheme, reference: &str) -> Result<Option<Url>, UrlError> {
        let reference = reference.split('#').next().unwrap_or_default();
        if reference.len() > super::MAX_URL {
            return Err(UrlError::TooLong);
        }
        let (named, rest) = match reference.find([':', '/', '?']).map(|at| reference.split_at(at)) {
            Some((_, rest)) if rest.starts_with(':') => {
                let (scheme, rest) = split_scheme(reference)?;
                (scheme, Some(rest))
            }
            _ => (scheme, reference.strip_prefix("//")),
        };
        let target = match rest {
            None => self.merged(reference),
            Some(rest) => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let (authority, target) = rest.split_at(end);
                if named != scheme || origin(scheme, authority)? != origin(scheme, self.authority())? {
                    return Ok(None);
                }
                target.to_owned()
            }
        };
        let target = escapes::wire_target(&without_dots(&target))?;
        let target = PathAndQuery::try_from(target).map_err(|_| UrlError::BadCharacter)?;
        // Spelled as this URL is: it is the same origin, and the cache tells spellings apart.
        Url::assemble(scheme, self.host().to_owned(), target.as_str(), self.authority()).map(Some)
    }

    /// The URL that a reference in an answer from here points at, wherever that is; a fragment is dropped. As a rule's
    /// its scheme plays no part.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if there is no such URL.
    pub fn at(&self, reference: &str) -> Result<Url, UrlError> {
        let Some(at) = reference.find([':', '/', '?', '#']) else { return self.beside(reference) };
        match &reference[at..] {
            rest if rest.starts_with("//") && at == 0 => Url::parse(&format!("https:{reference}")),
            rest if rest.starts_with(':') => Url::parse(reference),
            _ => self.beside(reference),
        }
    }

    fn beside(&self, reference: &str) -> Result<Url, UrlError> {
        self.at_same_origin(Scheme::Https, reference)?.ok_or(UrlError::NotAPath)
    }

    /// The port that was named with the host.
    pub fn port(&self) -> Option<u16> {
        host::host_and_port(self.authority()).ok().and_then(|(_, port)| port)
    }

    /// The target of a reference without scheme and authority.
    fn merged(&self, reference: &str) -> String {
        let base = self.target();
        let path = base.split('?').next().unwrap_or_default();
        match reference.as_bytes().first() {
            None => base.to_owned(),
            Some(b'/') => reference.to_owned(),
            Some(b'?') => format!("{path}{reference}"),
            Some(_) => format!("{}{reference}", &path[..path.rfind('/').map_or(0, |at| at + 1)]),
        }
    }
}

fn origin(scheme: Scheme, authority: &str) -> Result<(String, u16), UrlError> {
    let (host, port) = host::host_and_port(authority)?;
    let default = match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    };
    Ok((host, port.unwrap_or(default)))
}

/// RFC 3986 section 5.2.4.
fn without_dots(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(scheme: Scheme, authority: &str, target: &str) -> super::super::UrlKey {
        super::super::UrlKey::of(scheme, authority, target)
    }

    #[test]
    fn a_reference_points_anywhere() {
        let base = Url::parse("https://h.example/b/c?q").unwrap();
        for (reference, expected) in [
            ("d", Some("https://h.example/b/d")),
            ("/d:e", Some("https://h.example/d:e")),
            ("?x", Some("https://h.example/b/c?x")),
            ("d#e", Some("https://h.example/b/d")),
            ("", Some("https://h.example/b/c?q")),
            ("http://other.example:8080/D?x#y", Some("https://other.example/D?x")),
            ("HTTP://other.example", Some("https://other.example/")),
            ("//other.example/d", Some("https://other.example/d")),
            ("ftp://other.example/d", None),
            ("mailto:x", None),
            ("//", None),
            ("http://", None),
            ("/%zz", None),
        ] {
            let url = base.at(reference).ok();
            assert_eq!(url.as_ref().map(Url::canonical), expected, "{reference}");
        }
    }

    #[test]
    fn references_are_resolved_as_in_rfc_3986() {
        let base = Url::parse("http://h.example:8080/b/c/d;p?q").unwrap();
        for (reference, expected) in [
            ("g", Some("/b/c/g")),
            ("./g", Some("/b/c/g")),
            ("g/", Some("/b/c/g/")),
            ("/g", Some("/g")),
            ("?y", Some("/b/c/d;p?y")),
            ("g?y", Some("/b/c/g?y")),
            ("#s", Some("/b/c/d;p?q")),
            ("g#s", Some("/b/c/g")),
            (";x", Some("/b/c/;x")),
            ("", Some("/b/c/d;p?q")),
            (".", Some("/b/c/")),
            ("..", Some("/b/")),
            ("../g", Some("/b/g")),
            ("../..", Some("/")),
            ("../../../g", Some("/g")),
            ("/./g", Some("/g")),
            ("g?y/../x", Some("/b/c/g?y/../x")),
            ("http://h.example:8080/g", Some("/g")),
            ("HTTP://H.EXAMPLE:8080?y", Some("/?y")),
            ("//h.example:8080/g", Some("/g")),
            ("https://h.example:8080/g", None),
            ("http://h.example/g", None),
            ("//other.example:8080/g", None),
            ("http://other.example:8080/g", None),
            ("mailto:a@h.example", None),
            ("http:g", None),
        ] {
            let found = base.at_same_origin(Scheme::Http, reference).unwrap();
            let expected = expected.map(|target| key_of(Scheme::Http, "h.example:8080", target));
            assert_eq!(found.map(|url| url.key()), expected, "{reference}");
        }
        for reference in ["//", "http://h.example:99999/"] {
            assert!(base.at_same_origin(Scheme::Http, reference).is_err(), "{reference}");
        }
    }

    #[test]
    fn a_default_port_makes_no_other_origin() {
        let base = Url::parse("http://h.example/a").unwrap();
        let found = base.at_same_origin(Scheme::Http, "http://h.example:80/b").unwrap();
        assert_eq!(found.map(|url| url.key()), Some(key_of(Scheme::Http, "h.example", "/b")));
    }
}
