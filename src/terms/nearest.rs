//! What somebody meant who misspelled a name.

/// Characters of a name that are looked at: the names that are known are shorter.
const LOOKED_AT: usize = 64;

/// Characters that say which name is meant where one is the beginning of the other.
const TELLING: usize = 3;

/// The one of `known` that `text` was probably meant to be: a third of its characters may be wrong, or one of the two
/// begins with the other.
pub fn nearest<'k>(text: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let short: String = text.chars().take(LOOKED_AT).collect();
    let allowed = (short.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&short, known), known))
        .map(|(distance, known)| (distance > allowed, distance, known))
        .filter(|(is_far, _, known)| !is_far || is_begun(&short, known))
        .min()
        .map(|(_, _, known)| known)
}

fn is_begun(one: &str, other: &str) -> bool {
    one.len().min(other.len()) >= TELLING && (one.starts_with(other) || other.starts_with(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_only_what_is_near() {
        assert_eq!(nearest("memry", ["memory", "max_object"]), Some("memory"));
        assert_eq!(nearest("lisetn", ["listen"]), Some("listen"));
        assert_eq!(nearest("secret", ["url", "secret_file", "secret_file_of_old"]), Some("secret_file"));
        assert_eq!(nearest("listen_address", ["lists", "listen"]), Some("listen"));
        assert_eq!(nearest("max_head", ["max_head_of_all", "max_hea"]), Some("max_hea"), "a slip before a beginning");
        assert_eq!(nearest("se", ["secret_file"]), None);
        assert_eq!(nearest("", ["secret_file"]), None);
        assert_eq!(nearest("zebra", ["memory", "max_object"]), None);
        assert_eq!(nearest(&"x".repeat(100_000), ["memory"]), None);
        assert_eq!(nearest("x", []), None);
    }
}
