//! What somebody meant who misspelled a name.

/// Characters of a name that are looked at: the names that are known are shorter.
const LOOKED_AT: usize = 64;

/// The one of `known` that `text` was probably meant to be: a third of its characters may be wrong.
pub fn nearest<'k>(text: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let short: String = text.chars().take(LOOKED_AT).collect();
    let allowed = (short.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&short, known), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_only_what_is_near() {
        assert_eq!(nearest("memry", ["memory", "max_object"]), Some("memory"));
        assert_eq!(nearest("lisetn", ["listen"]), Some("listen"));
        assert_eq!(nearest("zebra", ["memory", "max_object"]), None);
        assert_eq!(nearest(&"x".repeat(100_000), ["memory"]), None);
        assert_eq!(nearest("x", []), None);
    }
}
