//! The bytes of a line.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use terms::ruling::RuleOrigin;
use terms::wire::range::Part;
use terms::{BlockStatus, Country, Residence, Ruling};

use super::*;
use crate::line::{Encoder, Forms, Head, Seal};

fn forms(client: ClientForm, url_query: QueryForm) -> Forms {
    Forms { client, url_query, key: [7; 16] }
}

fn written(forms: Forms, record: &Record) -> Value {
    let mut out = Vec::new();
    Encoder::new("N", 2, forms).record(&mut out, 5, record.ended, record);
    serde_json::from_slice(&out).unwrap()
}

fn ruling(rule: &str, notices: &[&str]) -> Arc<Ruling> {
    Arc::new(Ruling {
        rule: Arc::from(rule),
        notices: notices.iter().map(|id| Arc::from(*id)).collect(),
        reason: None,
        status: BlockStatus::default(),
        authority: None,
        page: None,
        disclose: None,
        residence: None,
        origin: RuleOrigin::File { file: Arc::from("a.txt"), line: 1 },
        list: 3,
    })
}

#[test]
fn the_fields_stand_in_the_order_of_the_contract() {
    let mut record = record("http://photos.example:8080/a?b=1");
    let of_countries = Ruling::clone(&ruling("https://photos.example/a", &["N-1", "N-2"]));
    let residence = Country::from_text("DE").map(Residence::In);
    record.ruling = Some(Arc::new(Ruling { residence, ..of_countries }));
    record.departures.add(Departures::REPR_DIGEST);
    record.range = Parts { parts: vec![Part { first: 0, last: 99 }], length: Some(1000) };
    let mut out = Vec::new();
    Encoder::new("N", 2, forms(ClientForm::Truncated, QueryForm::Full)).record(&mut out, 5, record.ended, &record);
    let digest = Digest::of(b"body");
    let expected = format!(
        r#"{{"node":"N","run":2,"seq":5,"began":"{}","time":"{}","site":"photos","id":"{}","method":"GET","url":"https://photos.example/a?b=1","status":200,"verdict":"served","rule":"https://photos.example/a","notice":"N-1","notices":["N-1","N-2"],"country":"DE","list":3,"cache":"hit","fill":9,"origin_digest":"{digest}","digest":"{digest}","departures":["repr-digest"],"range":"0-99/1000","bytes":4,"complete":true,"client":"192.0.2.0/24"}}"#,
        record.began, record.ended, record.id
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    let line: Value = serde_json::from_str(&expected).unwrap();
    assert!(line.as_object().unwrap().keys().all(|key| crate::COLUMNS.contains(&key.as_str())));
}

#[test]
fn what_is_not_known_is_left_out_but_the_url() {
    let mut record = record("https://photos.example/");
    record.url = None;
    record.site = None;
    record.fill = None;
    record.digest = None;
    record.origin_digest = None;
    let line = written(forms(ClientForm::None, QueryForm::Full), &record);
    assert_eq!(line.get("url"), Some(&Value::Null));
    for absent in [
        "site",
        "rule",
        "notice",
        "notices",
        "country",
        "fill",
        "digest",
        "origin_digest",
        "departures",
        "range",
        "client",
    ] {
        assert_eq!(line.get(absent), None, "{absent}");
    }
}

#[test]
fn clients_are_told_as_the_settings_say() {
    let told = |form, address: &str| {
        let mut record = record("https://photos.example/");
        record.client = address.parse().unwrap();
        written(forms(form, QueryForm::Full), &record)["client"].as_str().unwrap().to_owned()
    };
    assert_eq!(told(ClientForm::Truncated, "192.0.2.77"), "192.0.2.0/24");
    assert_eq!(told(ClientForm::Truncated, "::ffff:192.0.2.77"), "192.0.2.0/24");
    assert_eq!(told(ClientForm::Truncated, "2001:db8:1:2::3"), "2001:db8:1::/48");
    assert_eq!(told(ClientForm::Full, "2001:db8:1:2::3"), "2001:db8:1:2::3");
    let keyed = told(ClientForm::Keyed, "192.0.2.77");
    assert!(keyed.len() == 18 && keyed.starts_with("k:"), "{keyed}");
    assert_eq!(keyed, told(ClientForm::Keyed, "::ffff:192.0.2.77"));
    assert_ne!(keyed, told(ClientForm::Keyed, "192.0.2.78"));
}

#[test]
fn queries_are_told_as_the_settings_say() {
    let told =
        |form, url: &str| written(forms(ClientForm::None, form), &record(url))["url"].as_str().unwrap().to_owned();
    assert_eq!(told(QueryForm::Full, "https://u:p@x.example/a?b=1"), "https://x.example/a?b=1");
    assert_eq!(told(QueryForm::None, "https://x.example/a?b=1"), "https://x.example/a");
    assert_eq!(told(QueryForm::Keyed, "https://x.example/a"), "https://x.example/a");
    let keyed = told(QueryForm::Keyed, "https://x.example/a?b=1");
    let hash = keyed.strip_prefix("https://x.example/a?k:").unwrap();
    assert!(hash.len() == 16 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()), "{hash}");
    assert_ne!(keyed, told(QueryForm::Keyed, "https://x.example/a?b=2"));
}

#[test]
fn a_rule_tells_no_more_of_a_query_than_the_url() {
    let told = |form, rule: &str| {
        let record = Record { ruling: Some(ruling(rule, &[])), ..record("https://x.example/a?b=1") };
        let line = written(forms(ClientForm::None, form), &record);
        [&line["rule"], &line["url"]].map(|field| field.as_str().unwrap().to_owned())
    };
    let rule = "https://x.example/a?b=1";
    assert_eq!(told(QueryForm::Full, rule)[0], rule);
    assert_eq!(told(QueryForm::None, rule)[0], "https://x.example/a");
    let [keyed, url] = told(QueryForm::Keyed, rule);
    assert_eq!(keyed, url);
    for rule in ["*.x.example", "https://x.example/a/*", "~^https://x\\.example/a?"] {
        assert_eq!(told(QueryForm::Keyed, rule)[0], rule);
    }
}

#[test]
fn a_seal_is_read_back() {
    let seal = Seal { lines: 4, first: 7, last: 10, prev: Digest::of(b"p"), hash: Digest::of(b"h") };
    let mut out = Vec::new();
    Encoder::new("N", 2, forms(ClientForm::None, QueryForm::Full)).seal(&mut out, 11, START, &seal);
    assert_eq!(Seal::read(&out), Some(seal));
    assert!(Head::read(&out).unwrap().is_seal());
    let expected = format!(
        r#"{{"event":"sealed","node":"N","run":2,"seq":11,"time":"{START}","lines":4,"first":7,"last":10,"prev":"{}","hash":"{}"}}"#,
        Digest::of(b"p").hex(),
        Digest::of(b"h").hex()
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

proptest! {
    #[test]
    fn any_texts_make_a_line_with_these_texts(
        node in any::<String>(),
        site in any::<String>(),
        rule in any::<String>(),
        notice in any::<String>(),
        bytes in any::<u64>(),
    ) {
        let mut record = record("https://photos.example/");
        record.site = Some(Arc::from(site.as_str()));
        record.ruling = Some(ruling(&rule, &[&notice]));
        record.bytes = bytes;
        let mut out = Vec::new();
        Encoder::new(&node, 2, forms(ClientForm::Full, QueryForm::Full)).record(&mut out, 5, record.ended, &record);
        prop_assert!(!out.contains(&b'\n'));
        let line: Value = serde_json::from_slice(&out).unwrap();
        let told = json!([line["node"], line["site"], line["rule"], line["notice"], line["bytes"]]);
        prop_assert_eq!(told, json!([node, site, rule, notice, bytes]));
    }

    #[test]
    fn any_data_makes_an_event_with_this_data(name in any::<String>(), value in any::<String>()) {
        let mut out = Vec::new();
        let event = Event::new("reloaded").with(&name, value.clone());
        Encoder::new("N", 2, forms(ClientForm::None, QueryForm::Full)).event(&mut out, 5, START, &event);
        prop_assert!(!out.contains(&b'\n'));
        let line: Value = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(&line["data"][&name], &json!(value));
        prop_assert_eq!(line["event"].as_str(), Some("reloaded"));
    }
}
