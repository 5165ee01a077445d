//! Which lines of the evidence are meant: the flags of the commands that show some.

use audit::Filter;
use terms::url::Spelling;
use terms::{Digest, Timestamp, Url, Verdict};

use crate::config::Meant;
use crate::sites::ByHost;

/// All that is set must match; an event matches by what it tells.
#[derive(Debug, clap::Args)]
pub struct FilterArgs {
    /// In any spelling; with -c as its site's spelling has it, and without in whichever may be the same. Where the log
    /// keeps hashes of queries, any query is meant, or that of the hash as the log writes it, ?k:…
    #[arg(long, value_parser = url)]
    url: Option<Box<Url>>,
    /// Of the bytes, as served or as they came: sha256: and 64 hexadecimal digits
    #[arg(long, value_parser = digest)]
    digest: Option<Digest>,
    #[arg(long, value_name = "ID")]
    notice: Option<String>,
    #[arg(long, value_name = "NAME")]
    site: Option<String>,
    /// served, blocked, cut or failed
    #[arg(long, value_parser = verdict)]
    verdict: Option<Verdict>,
    /// From then on: a date (00:00 UTC) or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Up to then
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
}

impl FilterArgs {
    /// By the config it is known which spellings of a URL are the same to its site.
    pub fn filter(self, meant: Option<&Meant>) -> Filter {
        let host = self.url.as_ref().map(|url| url.host());
        let spelling = meant.zip(host).map(|(meant, host)| {
            let sites = ByHost::new(meant.sites.iter().map(|site| (&site.hosts[..], &site.spelling)));
            sites.find(host).map_or_else(Spelling::default, |spelling| Spelling::clone(spelling))
        });
        Filter {
            url: self.url.map(|url| *url),
            spelling,
            digest: self.digest,
            notice: self.notice,
            site: self.site,
            verdict: self.verdict,
            since: self.since,
            until: self.until,
        }
    }
}

fn url(text: &str) -> Result<Box<Url>, String> {
    Url::parse(text).map(Box::new).map_err(|error| error.to_string())
}

fn digest(text: &str) -> Result<Digest, String> {
    let whole = text.strip_prefix("sha256:").unwrap_or(text);
    Digest::from_hex(whole).ok_or_else(|| "a digest is written sha256: and 64 hexadecimal digits".to_owned())
}

fn verdict(text: &str) -> Result<Verdict, String> {
    let known = Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == text);
    known.ok_or_else(|| format!("a verdict is one of {}", Verdict::ALL.map(Verdict::as_str).join(", ")))
}

fn time(text: &str) -> Result<Timestamp, String> {
    let help = "write a date such as 2027-01-31 (00:00 UTC), or RFC 3339 such as 2027-01-31T09:00:00Z";
    Timestamp::parse(text).ok_or_else(|| help.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked_before_anything_is_read() {
        assert!(url("ftp://a/").is_err() && url("a.example/x").is_ok());
        assert!(verdict("Served").is_err() && verdict("cut") == Ok(Verdict::Cut));
        assert!(digest("sha256:ab").is_err() && digest(&"ab".repeat(32)).is_ok());
        assert!(time("yesterday").is_err() && time("2026-11-24").is_ok());
    }
}
