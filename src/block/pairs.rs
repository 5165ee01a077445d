//! The pairs of a query that rules name, and those of requests.
//!
//! Programs differ on which names of parameters are the same: PHP takes a dot, a blank and a bracket in one for `_`, and
//! nothing of what stands behind an index; ASP.NET knows no case. What a rule blocks is blocked under all of these,
//! whatever the origin is; an exception frees none but the names that it says. A canonical URL keeps them apart, for that
//! is what people and patterns see.

use std::borrow::Cow;
use std::cell::OnceCell;

use terms::Folded;
use terms::url::Parameters;

/// What a rule says of the query of what it covers.
pub(crate) struct WantedPairs<'r> {
    /// Its canonical pairs, joined as in a query.
    pub(crate) named: Option<&'r str>,
    /// There may be no others.
    pub(crate) exact: bool,
    pub(crate) is_exception: bool,
}

/// The pairs of a request. Many rules for one path may be asked of them, so they are taken apart once.
pub(crate) struct AskedPairs<'q> {
    query: Option<&'q str>,
    as_written: OnceCell<Vec<&'q str>>,
    by_any_name: OnceCell<Vec<Cow<'q, str>>>,
}

impl WantedPairs<'_> {
    /// Whether a request's pairs are what the rule asks for.
    pub(crate) fn agrees(&self, asked: &AskedPairs<'_>) -> bool {
        self.agrees_as_written(asked) || !self.is_exception && self.agrees_by_any_name(asked)
    }

    /// The same at a site whose origins ignore some parameters, where the rule may name such.
    pub(crate) fn agrees_without(&self, ignored: &Parameters, asked: &AskedPairs<'_>) -> bool {
        let left = ignored.left_out_of(self.named).collect::<Vec<&str>>().join("&");
        WantedPairs { named: (!left.is_empty()).then_some(&*left), ..*self }.agrees(asked)
    }

    fn agrees_as_written(&self, asked: &AskedPairs<'_>) -> bool {
        match self.named {
            named if self.exact => named == asked.query,
            None => true,
            Some(named) => named.split('&').all(|pair| asked.as_written().binary_search(&pair).is_ok()),
        }
    }

    fn agrees_by_any_name(&self, asked: &AskedPairs<'_>) -> bool {
        let Some(named) = self.named else { return false };
        let asked = asked.by_any_name();
        match self.exact {
            true => by_any_names(named.split('&')) == *asked,
            false => named.split('&').all(|pair| asked.binary_search(&by_any_name(pair)).is_ok()),
        }
    }
}

impl<'q> AskedPairs<'q> {
    pub(crate) fn of(asked: &'q Folded) -> AskedPairs<'q> {
        AskedPairs { query: asked.query(), as_written: OnceCell::new(), by_any_name: OnceCell::new() }
    }

    fn pairs(&self) -> impl Iterator<Item = &'q str> {
        self.query.into_iter().flat_map(|query| query.split('&'))
    }

    /// In order, as a canonical query has them.
    fn as_written(&self) -> &[&'q str] {
        self.as_written.get_or_init(|| self.pairs().collect())
    }

    /// Each once under the name that stands for all, in order.
    pub(crate) fn by_any_name(&self) -> &[Cow<'q, str>] {
        self.by_any_name.get_or_init(|| by_any_names(self.pairs()))
    }
}

/// In order, each once.
fn by_any_names<'q>(pairs: impl Iterator<Item = &'q str>) -> Vec<Cow<'q, str>> {
    let mut all: Vec<Cow<'_, str>> = pairs.map(by_any_name).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// A canonical pair under the name that stands for all that some program takes for its own.
pub(crate) fn by_any_name(pair: &str) -> Cow<'_, str> {
    let name = pair.split('=').next().unwrap_or_default();
    if !name.bytes().any(|byte| matches!(byte, b'.' | b'%' | b'A'..=b'Z')) {
        return Cow::Borrowed(pair);
    }
    // A blank and a bracket, as a canonical query has them.
    let same = up_to_its_index(name).replace("%20", "_").replace("%5B", "_").replace('.', "_").to_ascii_lowercase();
    Cow::Owned(same + &pair[name.len()..])
}

/// Without what stands behind the index of a name that has one, as in `a[b][c]d`.
fn up_to_its_index(name: &str) -> &str {
    let mut from = name.find("%5B").unwrap_or(name.len());
    while let Some(end) = name[from..].find("%5D").map(|at| from + at + "%5D".len()) {
        if !name[end..].starts_with("%5B") {
            return &name[..end];
        }
        from = end;
    }
    name
}

#[cfg(test)]
mod tests {
    use terms::Url;

    use super::*;

    fn agrees(rule: &str, asked: &str, exact: bool, is_exception: bool) -> bool {
        let url = |query| Url::parse(&format!("https://h.example/p?{query}")).unwrap();
        let (rule, asked) = (url(rule), url(asked));
        WantedPairs { named: rule.folded().query(), exact, is_exception }.agrees(&AskedPairs::of(asked.folded()))
    }

    #[test]
    fn a_parameter_has_every_name_that_a_program_takes_for_it() {
        for asked in ["a_b=7", "a.b=7", "a+b=7", "a%20b=7", "a[b=7", "a%5bb=7", "A_B=7", "z=1&A.b=7&0=1", ".=1&a%2Eb=7"]
        {
            assert!(agrees("a_b=7", asked, false, false), "{asked}");
            assert!(agrees("A.b=7", asked, false, false), "{asked}");
        }
        for asked in ["ab=7", "a-b=7", "a_b=8", "a_b=7.0", "a_b", "a_b_=7", "%C3%A4_b=7", "7=a_b"] {
            assert!(!agrees("a_b=7", asked, false, false), "{asked}");
        }
        assert!(!agrees("a_b=x", "a_b=X", false, false), "a value is what it is");
        for asked in ["a[b][c]=7", "a[b][c]d=7", "a[b][c]d[e]=7", "A%5Bb%5D%5Bc%5D.=7"] {
            assert!(agrees("a[b][c]=7", asked, false, false), "{asked}");
        }
        for asked in ["a[b]=7", "a[b][d]=7", "a]b[c]=7"] {
            assert!(!agrees("a[b][c]=7", asked, false, false), "{asked}");
        }
    }

    #[test]
    fn of_several_all_are_wanted_in_whatever_order_their_names_have() {
        assert!(agrees("a.x=1&a_a=2", "a_x=1&a.a=2&c=3", false, false));
        assert!(!agrees("a.x=1&a_a=2", "a_x=1&c=3", false, false));
        assert!(agrees("a.x=1&a_a=2", "A_X=1&a.a=2", true, false));
        assert!(!agrees("a.x=1&a_a=2", "A_X=1&a.a=2&c=3", true, false));
    }

    #[test]
    fn an_exception_frees_what_it_names_alone() {
        assert!(agrees("a.b=1", "a.b=1&c=2", false, true));
        for asked in ["a_b=1", "A.b=1", "a+b=1"] {
            assert!(!agrees("a.b=1", asked, false, true), "{asked}");
        }
    }
}
