//! The URL that lines are asked for by.

use terms::url::Spelling;
use terms::{Folded, Url};

use crate::settings::QueryForm;

/// A URL in every spelling, as far as it is known which are one.
pub(crate) struct Sought {
    readings: Vec<Folded>,
    /// What its site says of its spelling; `None`: who asks doesn't know.
    spelling: Option<Spelling>,
}

impl Sought {
    pub(crate) fn new(url: &Url, spelling: Option<&Spelling>) -> Sought {
        let mut readings: Vec<Folded> = match spelling {
            Some(spelling) => url.spelled(spelling).readings.into(),
            None => url.readings().cloned().collect(),
        };
        if spelling.is_none() {
            // A site that ignores case has its URLs logged in lower case.
            let ignoring_case = Spelling { ignore_case: true, ..Spelling::default() };
            readings.extend(url.spelled(&ignoring_case).readings);
        }
        Sought { readings, spelling: spelling.cloned() }
    }

    /// Whether the log speaks of it. The log's text is canonical already, by what was in force then, and any reading of
    /// the URL may be the one it holds.
    pub(crate) fn is(&self, logged: &str, form: QueryForm) -> bool {
        let usual = Spelling::default();
        let spelling = self.spelling.as_ref().unwrap_or(&usual);
        let is_told_apart = || [";", "%2F", "%5C"].iter().any(|apart| logged.contains(apart));
        self.holds(logged, form)
            || ((!spelling.is_usual() || is_told_apart())
                && Url::parse(logged).is_ok_and(|url| {
                    url.spelled(spelling).readings.iter().any(|reading| self.holds(reading.as_str(), form))
                }))
    }

    fn holds(&self, logged: &str, form: QueryForm) -> bool {
        let (logged_base, logged_query) = split_query(logged);
        let ignores_some = self.spelling.as_ref().is_some_and(|spelling| !spelling.ignored.is_empty());
        self.readings.iter().any(|reading| {
            let (base, query) = split_query(reading.as_str());
            base == logged_base
                && match form {
                    QueryForm::Full => query == logged_query,
                    QueryForm::Keyed if query.is_some_and(is_keyed) => query == logged_query,
                    QueryForm::Keyed => ignores_some || query.is_some() == logged_query.is_some(),
                    QueryForm::None => true,
                }
        })
    }
}

fn split_query(url: &str) -> (&str, Option<&str>) {
    match url.split_once('?') {
        Some((base, query)) => (base, Some(query)),
        None => (url, None),
    }
}

/// Whether a query is one as logs hold it.
fn is_keyed(query: &str) -> bool {
    let hash = query.strip_prefix("k:");
    hash.is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use terms::url::{EncodedSlash, Parameters, PathParams};

    use super::*;

    #[test]
    fn what_is_known_of_the_site_says_which_lines_are_of_the_url() {
        let ignoring = Spelling {
            ignore_case: true,
            ignored: Parameters::read(vec!["utm_*".to_owned()]).unwrap(),
            ..Spelling::default()
        };
        let telling = Spelling {
            path_params: PathParams::Distinct,
            encoded_slash: EncodedSlash::Distinct,
            ..Spelling::default()
        };
        let usual = Spelling::default();
        for (asked, spelling, logged, is_it) in [
            ("/A/b", Some(&usual), "/A/b", true),
            ("/A/b", Some(&usual), "/a/b", false),
            ("/A/b", None, "/a/b", true),
            ("/a/b", None, "/A/b", false),
            ("/a/b", Some(&ignoring), "/A/b", true),
            ("/a/b?utm_x", Some(&ignoring), "/A/B?utm_y", true),
            ("/a/b?x", Some(&ignoring), "/a/b?utm_y", false),
            ("/a;x", Some(&telling), "/a;x", true),
            ("/a;x", Some(&telling), "/a", false),
            ("/a", Some(&telling), "/a;x", false),
            ("/a", None, "/a;x", true),
            ("/a", Some(&usual), "/a;x", true),
            ("/a/b", None, "/a%2Fb", true),
        ] {
            let url = Url::parse(&format!("https://h.example{asked}")).unwrap();
            let sought = Sought::new(&url, spelling);
            let logged = format!("https://h.example{logged}");
            assert_eq!(sought.is(&logged, QueryForm::Full), is_it, "{asked} in {logged} by {spelling:?}");
        }
        let url = Url::parse("h.example/a?utm_x").unwrap();
        let is = |spelling, logged| Sought::new(&url, Some(spelling)).is(logged, QueryForm::Keyed);
        assert!(is(&ignoring, "https://h.example/a") && !is(&usual, "https://h.example/a"));
        assert!(is(&usual, "https://h.example/a?k:00"));
        let as_logged = ["0123456789abcdef", "0123456789abcdee"].map(|hash| format!("https://h.example/a?k:{hash}"));
        let sought = Sought::new(&Url::parse(&as_logged[0]).unwrap(), None);
        assert_eq!(as_logged.each_ref().map(|logged| sought.is(logged, QueryForm::Keyed)), [true, false]);
    }
}
