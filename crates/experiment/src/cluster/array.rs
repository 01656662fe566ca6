use std::fmt::Write;

/// The numbers of tasks as `--array` of Slurm takes them, such as `0,3-5`. They are in order, each once.
pub fn array_of(numbers: &[usize]) -> String {
    let mut text = String::new();
    let mut rest = numbers.iter().copied().peekable();
    while let Some(first) = rest.next() {
        let mut last = first;
        while let Some(next) = rest.next_if(|&next| next == last + 1) {
            last = next;
        }
        let comma = if text.is_empty() { "" } else { "," };
        // writing to a string cannot fail
        let _ = if last == first { write!(text, "{comma}{first}") } else { write!(text, "{comma}{first}-{last}") };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_follow_each_other_are_a_range() {
        for (numbers, expected) in
            [(&[][..], ""), (&[7], "7"), (&[0, 1], "0-1"), (&[0, 3, 4, 5, 9], "0,3-5,9"), (&[2, 4, 6, 7], "2,4,6-7")]
        {
            assert_eq!(array_of(numbers), expected);
        }
    }
}
