//! Lists as they are written: rules in the words of ours, or as items of IPFS's denylists.

use std::collections::HashSet;

use terms::BlockStatus;
use terms::ruling::Disclose;

use super::deny::{Item, Space};
use super::text::read_rule;
use crate::rule::{Attributes, Place, Subject};

/// A rule as a line of ours, without its end. `word` is the rule as a list words it.
pub fn line(word: &str, attributes: &Attributes) -> String {
    let mut line = word.to_owned();
    let mut add = |name: &str, value: &str| {
        line.push(' ');
        line.push_str(name);
        line.push('=');
        line.push_str(&written(value));
    };
    let texts = [
        ("notice", &attributes.notice),
        ("reason", &attributes.reason),
        ("authority", &attributes.authority),
        ("page", &attributes.page),
    ];
    texts
        .iter()
        .filter_map(|(name, value)| Some((name, (*value).as_ref()?)))
        .for_each(|(name, value)| add(name, value));
    if attributes.status != BlockStatus::default() {
        add("status", attributes.status.code().as_str());
    }
    for (name, time) in [("from", attributes.from), ("until", attributes.until)] {
        if let Some(time) = time {
            add(name, &time.to_string());
        }
    }
    if attributes.exact_query {
        add("query", "exact");
    }
    if let Some(countries) = &attributes.geo {
        add("geo", countries.text());
    }
    match attributes.disclose {
        None => {}
        Some(Disclose::Full) => add("disclose", "full"),
        Some(Disclose::Id) => add("disclose", "id"),
        Some(Disclose::None) => add("disclose", "none"),
    }
    line
}

/// A value as it stands, or between quotes.
fn written(value: &str) -> String {
    match !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') {
        true => value.to_owned(),
        false => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

/// A denylist on its way: blocks first, then exceptions, since there the last match wins.
#[derive(Default)]
pub struct Denylist {
    items: Vec<String>,
    exceptions: Vec<String>,
    known: HashSet<String>,
    left_out: u64,
}

impl Denylist {
    /// What stands before the items.
    pub const HEADER: &str = "version: 1\nname: Seawall\n---\n";

    /// Takes a rule, or counts it where it is no item of a denylist: one that names no path of IPFS, or holds for
    /// some queries, for some time or in some countries.
    pub fn add(&mut self, word: &str, attributes: &Attributes) {
        let Attributes { from, until, exact_query, geo, .. } = attributes;
        let is_plain = from.is_none() && until.is_none() && !exact_query && geo.is_none();
        let read = read_rule(word).ok().filter(|_| is_plain);
        let Some((item, exception)) = read.and_then(|rule| Some((item(&rule.subject)?, rule.exception))) else {
            self.left_out += 1;
            return;
        };
        let item = if exception { format!("!{item}") } else { item };
        if self.known.insert(item.clone()) {
            if exception { self.exceptions.push(item) } else { self.items.push(item) }
        }
    }

    /// Its lines, in their order.
    pub fn items(&self) -> impl Iterator<Item = &str> {
        self.items.iter().chain(&self.exceptions).map(String::as_str)
    }

    /// Rules that no item says.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

/// Of a rule for a path of a gateway, or for one of its hosts.
fn item(subject: &Subject) -> Option<String> {
    match subject {
        Subject::Url(place) => of_place(place, ""),
        Subject::Prefix(place) => of_place(place, "/*"),
        Subject::Host(host) => Some(format!("{}/*", of_host(host)?)),
        Subject::HostTree(_) | Subject::Digest(_) | Subject::Pattern(_) => None,
    }
}

fn of_place(place: &Place, below: &str) -> Option<String> {
    let reading = place.readings().first().filter(|reading| reading.query().is_none())?;
    let path = reading.path().replace('*', "%2A");
    if let Some(item) = of_host(reading.host()) {
        return Some(format!("{item}{}{below}", path.trim_end_matches('/')));
    }
    let mut parts = path.splitn(4, '/').skip(1);
    let (space, name) = (parts.next()?, parts.next()?);
    let behind = parts.next().map(|rest| format!("/{rest}")).unwrap_or_default();
    Some(format!("{}{behind}{below}", Item::of(Space::of(space)?, name)?.as_written()))
}

/// `CID.ipfs.gateway.example`
fn of_host(host: &str) -> Option<String> {
    let mut labels = host.splitn(3, '.');
    let (name, space) = (labels.next()?, Space::of(labels.next()?)?);
    labels.next()?;
    Some(Item::of(space, name)?.as_written())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use terms::{Countries, Country};

    use super::*;
    use crate::list::{Foreign, Format, read, read_foreign};
    use crate::rule::Rule;

    fn written_again(rules: &[Rule]) -> String {
        rules.iter().map(|rule| line(&rule.text, &rule.attributes) + "\n").collect()
    }

    fn countries(text: &str) -> Option<Countries> {
        Countries::of(text.split(',').filter_map(Country::from_text))
    }

    #[test]
    fn every_attribute_is_written_as_it_is_read() {
        let list = "h.example/a notice=N-1 reason=\"say \\\"no\\\" \\\\ # é\" authority=https://court.example/7 \
                    page=gone.html status=410 from=2027-01-01T00:00:00Z until=2027-02-01T09:00:00.5Z query=exact \
                    disclose=id\n!*.h.example notice=#x disclose=none\n~^https://h\\.example/ disclose=full\n";
        let rules = read(list.as_bytes()).unwrap();
        let again = read(written_again(&rules).as_bytes()).unwrap();
        assert_eq!(rules, again);
    }

    #[test]
    fn a_denylist_is_what_is_about_ipfs() {
        const V0: &str = "QmVTF1yEejXd9iMgoRTFDxBv7HAz9kuZcQNBzHrceuK9HR";
        const V1: &str = "bafybeidjwik6im54nrpfg7osdvmx7zojl5oaxqel5cmsz46iuelwf5acja";
        let path = |end: &str| Some(format!("/ipfs/{V1}{end}"));
        for (word, expected) in [
            (format!("gw.example/ipfs/{V0}"), path("")),
            (format!("gw.example/ipfs/{V1}/*"), path("/*")),
            (format!("gw.example/ipfs/{V0}/a%20b/c*2A"), None),
            (format!("gw.example/ipfs/{V0}/a%20b/%2a"), path("/a%20b/%2A")),
            (format!("!gw.example/ipfs/{V0}/a/*"), path("/a/*").map(|item| format!("!{item}"))),
            (format!("https://{V1}.ipfs.gw.example/a"), path("/a")),
            (format!("{V1}.ipfs.gw.example"), path("/*")),
            ("gw.example/ipns/domain.example/a".to_owned(), Some("/ipns/domain.example/a".to_owned())),
            ("gw.example/ipns/nonsense/a".to_owned(), None),
            ("gw.example/ipfs/*".to_owned(), None),
            (format!("gw.example/ipfs/{V0}?x=1"), None),
            (format!("*.{V1}.ipfs.gw.example"), None),
            ("h.example/a".to_owned(), None),
        ] {
            let mut list = Denylist::default();
            list.add(&word, &Attributes::default());
            assert_eq!(list.items().next(), expected.as_deref(), "{word}");
            assert_eq!(list.left_out(), u64::from(expected.is_none()), "{word}");
        }
        let mut list = Denylist::default();
        for word in
            [format!("!gw.example/ipfs/{V0}/a"), format!("gw.example/ipfs/{V0}/*"), format!("gw.example/ipfs/{V1}/*")]
        {
            list.add(&word, &Attributes::default());
        }
        assert_eq!(list.items().collect::<Vec<_>>(), [format!("/ipfs/{V1}/*"), format!("!/ipfs/{V1}/a")]);
        list.add(&format!("gw.example/ipfs/{V0}/b"), &Attributes { exact_query: true, ..Attributes::default() });
        list.add(&format!("gw.example/ipfs/{V0}/b"), &Attributes { geo: countries("DE"), ..Attributes::default() });
        assert_eq!(list.left_out(), 2);
    }

    #[test]
    fn a_denylist_that_is_read_is_written_as_the_same() {
        let text = "/ipfs/bafybeidjwik6im54nrpfg7osdvmx7zojl5oaxqel5cmsz46iuelwf5acja/*\n\
                    /ipfs/bafybeihvvulpp4evxj7x7armbqcyg6uezzuig6jp3lktpbovlqfkuqeuoq/a/b\n\
                    /ipns/domain.example/*\n/ipns/k51qzi5uqu5dhmzyv3zac033i7rl9hkgczxyl81lwoukda2htteop7d3x0y1mf/*\n";
        let mut foreign = Foreign::new(Format::IpfsDeny);
        foreign.gateways = vec!["one.example".into(), "two.example".into()];
        let rules = |text: &str| {
            let mut rules = Vec::new();
            read_foreign(text.as_bytes(), &foreign, |rule| rules.push(rule)).unwrap();
            rules
        };
        let mut list = Denylist::default();
        rules(text).iter().for_each(|rule| list.add(&rule.text, &rule.attributes));
        let written: String = list.items().map(|item| format!("{item}\n")).collect();
        let subjects =
            |text: &str| -> HashSet<String> { rules(text).iter().map(|rule| rule.text.to_string()).collect() };
        let again = subjects(&format!("{}{written}", Denylist::HEADER));
        // A domain as one label can be one of several, and is left to the other spellings.
        assert!(subjects(text).is_subset(&again), "{written}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            word in prop::sample::select(vec!["h.example", "!h.example/a/*", "*.h.example", "~^https://h", "h.example/é?b&a=1"]),
            notice in prop::option::of("[^\\x00-\\x1f\\x7f-\\u{9f}]{1,12}"),
            reason in prop::option::of("[ \"\\\\#=a-cé]{1,12}"),
            geo in prop::sample::select(vec!["", "DE", "FR,DE"]),
        ) {
            let geo = countries(geo);
            let attributes = Attributes { notice: notice.map(Into::into), reason: reason.map(Into::into), geo, ..Attributes::default() };
            let rule = read_rule(&line(word, &attributes)).map_err(|bad| TestCaseError::fail(bad.to_string()))?;
            prop_assert_eq!(&*rule.attributes, &attributes);
            prop_assert_eq!(rule.subject, read_rule(word).unwrap().subject);
        }
    }
}
