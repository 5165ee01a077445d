//! That what a URL may hold as a secret is shown nowhere: not in what is in force, nor in what is wrong.

use super::*;

#[test]
fn what_a_feeds_query_says_is_not_shown() {
    let meant = good(&format!("{SITE}\n[takedown]\nlists = [\"a?b\", {{ url = \"https://f.example/l?s3cret\" }}]"));
    assert_eq!(meant.takedown.feeds[0].url, "https://f.example/l?s3cret");
    let page = describe(&meant, &surprises(&meant));
    for shown in [page, in_force(&meant).to_string()] {
        assert!(
            shown.contains("https://f.example/l?…") && shown.contains("a?b") && !shown.contains("s3cret"),
            "{shown}"
        );
    }
    for list in [
        "\"https://f.example/?s3cret\"",
        "{ url = \"f.example/?s3cret\" }",
        "{ url = \"f.example@/?s3cret\" }",
        "{ url = \"https://u:s3cret@f.example:x/\" }",
        "{ url = \"//me:s3cret@f.example/l\" }",
        "{ url = \"https:/me:s3cret@f.example/l\" }",
        "\"https:/me:s3cret@f.example/l\"",
        "{ url = \"https:///me:s3cret@f.example/l\" }",
        "{ url = \"https://me:s3cret/s3cret@f.example/l\" }",
        "{ url = https:/me:s3cret@f.example/l }",
        "{ url = \"https://f.example/?s3cret\", every = \"1\" }",
        "{ url = \"https://f.example/?s3cret\", name = \"https://f.example/?s3cret\\n\" }",
    ] {
        let told: String = faults(&format!("[takedown]\nlists = [{list}]")).iter().map(Fault::to_string).collect();
        assert!(told.contains('…') && !told.contains("s3cret"), "{told}");
    }
}

#[test]
fn what_a_user_is_let_in_by_is_not_shown() {
    for text in [
        "[[site]]\nhosts = [\"*\"]\norigin = \"http://me:s3cret@127.0.0.1:3000\"",
        "[[site]]\nhosts = [\"*\"]\norigin = \"http://me:s3cret/s3cret@127.0.0.1:3000\"",
        "[[site]]\nhosts = [\"https://me:s3cret@photos.example\"]\norigin = \"http://127.0.0.1:3000\"",
        "[takedown]\noperator_url = \"//me:s3cret@operator.example/\\n\"",
    ] {
        let told: String = faults(text).iter().map(Fault::to_string).collect();
        assert!(told.contains("//…@") && !told.contains("s3cret"), "{told}");
    }
}

#[test]
fn what_a_webhooks_query_says_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.secret"), "a secret of more than 24 bytes").unwrap();
    let with = |query: &str| {
        let hook = format!("[[hook]]\nname = \"desk\"\non = [\"purged\"]\nurl = \"https://desk.example/told{query}\"");
        let text = format!("{hook}\nsecret_file = \"good.secret\"\n{SITE}");
        parse(&text, Path::new("seawall.toml"), folder.path()).unwrap()
    };
    let (one, other) = (with("?key=s3cret"), with("?key=another+s3cret"));
    let changed = changes(&one, &other);
    assert_eq!(changed.len(), 1);
    for shown in [describe(&one, &surprises(&one)), in_force(&one).to_string(), changed[0].to_string()] {
        assert!(shown.contains("https://desk.example/told?…") && !shown.contains("s3cret"), "{shown}");
    }
    let told = changed[0].to_string();
    let (now, before) = told.split_once(", was ").unwrap();
    assert!(!now.ends_with(before), "another query shows: {told}");
}
