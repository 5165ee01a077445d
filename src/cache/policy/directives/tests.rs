use http::HeaderValue;
use http::header::CACHE_CONTROL;
use proptest::prelude::*;

use super::*;

fn fields(lines: &[&str]) -> HeaderMap {
    lines.iter().map(|line| (CACHE_CONTROL, HeaderValue::from_str(line).unwrap())).collect()
}

fn response(lines: &[&str]) -> ResponseDirectives {
    ResponseDirectives::read(&fields(lines))
}

#[test]
fn both_forms_of_an_argument_are_accepted() {
    for text in ["max-age=60", "max-age=\"60\"", "MAX-AGE=60", " , max-age=60,,"] {
        assert_eq!(response(&[text]).max_age, Some(60), "{text}");
    }
}

#[test]
fn of_duplicates_the_most_restrictive_counts() {
    assert_eq!(response(&["max-age=60, max-age=5"]).max_age, Some(5));
    assert_eq!(response(&["max-age=5", "max-age=60"]).max_age, Some(5));
    assert_eq!(response(&["s-maxage=7, s-maxage=nonsense"]).s_maxage, Some(0));
}

#[test]
fn broken_times_are_zero_and_overflow_is_long() {
    for text in ["max-age", "max-age=", "max-age=1.5", "max-age=-1", "max-age=+1", "max-age=\"60", "max-age = 60"] {
        assert_eq!(response(&[text]).max_age, Some(0), "{text}");
    }
    assert_eq!(response(&["max-age=99999999999999999999999"]).max_age, Some(1 << 31));
}

#[test]
fn what_stands_in_quotes_is_no_directive() {
    let read = response(&["ext=\"no-store, \\\" private\", max-age=3"]);
    assert_eq!(read, ResponseDirectives { max_age: Some(3), ..Default::default() });
}

#[test]
fn a_wrong_separator_hides_no_restriction() {
    for text in ["private; max-age=60", "max-age=60 private", "private max-age=60", "max-age=60;private"] {
        assert_eq!(response(&[text]).private, Scope::Everything, "{text}");
    }
}

fn names(list: &[&'static str]) -> Scope {
    Scope::Fields(list.iter().map(|name| HeaderName::from_static(name)).collect())
}

#[test]
fn a_qualified_form_speaks_of_its_fields_alone() {
    for (text, expected) in [
        ("private=\"set-cookie\"", names(&["set-cookie"])),
        ("private=set-cookie", names(&["set-cookie"])),
        ("private=\"X-B, x-a,,X-b\"", names(&["x-a", "x-b"])),
        ("private=\"x-b\", private=\"x-a\"", names(&["x-a", "x-b"])),
        ("private=\"x-a\", private", Scope::Everything),
        ("private, private=\"x-a\"", Scope::Everything),
        // No list of names, or one of a field that can't be left out.
        ("private=\"\"", Scope::Everything),
        ("private=\"a b\"", Scope::Everything),
        ("private=\"x-a", Scope::Everything),
        ("private=\"x-a, Vary\"", Scope::Everything),
        ("no-cache=\"x-a\"", Scope::Nothing),
    ] {
        assert_eq!(response(&[text]).private, expected, "{text}");
    }
    assert_eq!(response(&["no-cache=\"x-a\""]).no_cache, names(&["x-a"]));
}

#[test]
fn extensions_are_read() {
    let read = response(&["max-age=1, stale-while-revalidate=5, stale-if-error=\"7\", immutable=x"]);
    assert_eq!((read.stale_while_revalidate, read.stale_if_error, read.immutable), (Some(5), Some(7), true));
    let read = response(&["stale-while-revalidate, stale-if-error=9, stale-if-error=soon"]);
    assert_eq!((read.stale_while_revalidate, read.stale_if_error, read.immutable), (Some(0), Some(0), false));
}

proptest! {
    #[test]
    fn any_value_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let some: HeaderMap = [(CACHE_CONTROL, value)].into_iter().collect();
            ResponseDirectives::read(&some);
            RequestDirectives::read(&some);
        }
    }

    #[test]
    fn a_line_more_never_loosens(one in "[a-z0-9=\", -]{0,40}", other in "(max-age=[0-9]{1,4}|no-store|private|s-maxage=[0-9x]{1,3})") {
        let before = response(&[&other]);
        let after = response(&[&one, &other]);
        prop_assert!(after.no_store >= before.no_store);
        prop_assert!(before.private == Scope::Nothing || after.private != Scope::Nothing);
        if let Some(age) = before.max_age {
            prop_assert!(after.max_age.is_some_and(|now| now <= age));
        }
    }
}
