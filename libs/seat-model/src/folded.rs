//! How names and places are compared by people who look: nobody types
//! "Théâtre  Zürich" as it stands on the poster.

use unicode_normalization::UnicodeNormalization;

/// Text without upper case, without the marks on Latin, Greek and Cyrillic
/// letters, and with single blanks: texts that people take for the same are
/// equal. At most twice as many characters as before, because of "ß" and its
/// like. What is stored folded must be folded by this function for ever.
#[must_use]
pub fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut plain = String::with_capacity(text.len());
    for letter in words.join(" ").to_lowercase().nfd() {
        match letter {
            // Combining marks; those of other scripts make other letters.
            '\u{300}'..='\u{36f}' => {}
            'ß' => plain.push_str("ss"),
            'æ' => plain.push_str("ae"),
            'œ' => plain.push_str("oe"),
            'þ' => plain.push_str("th"),
            'ø' => plain.push('o'),
            'đ' | 'ð' => plain.push('d'),
            'ł' => plain.push('l'),
            'ı' => plain.push('i'),
            other => plain.push(other),
        }
    }
    plain.nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_take_for_the_same_is_the_same() {
        for (typed, printed) in [
            ("opera de paris", "Opéra  de\u{a0}Paris "),
            ("ZURICH", "Zürich"),
            ("Zürich", "Zu\u{308}rich"),
            ("strasse", "Straße"),
            ("malmo", "MALMÖ"),
            ("lodz", "Łódź"),
            ("istanbul", "İstanbul"),
            ("ΑΘΗΝΑ", "Αθήνα"),
        ] {
            assert_eq!(folded(typed), folded(printed), "{typed} and {printed}");
        }
    }

    #[test]
    fn other_letters_stay_other_letters() {
        assert_ne!(folded("か"), folded("が"));
        assert_ne!(folded("한국"), folded("한구"));
        assert_eq!(folded("한국").chars().count(), 2);
        assert_ne!(folded("%"), folded(""));
    }

    #[test]
    fn a_folded_text_is_at_most_twice_as_long_and_folds_to_itself() {
        for text in ["ß".repeat(100), "İ".repeat(100), "Ǆ ﬁ Å ẞ Œuvre".to_owned()] {
            let once = folded(&text);
            assert!(once.chars().count() <= 2 * text.chars().count(), "{text}");
            assert_eq!(folded(&once), once);
        }
    }
}
