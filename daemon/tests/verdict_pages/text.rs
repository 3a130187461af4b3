//! Lines of at most 120 columns, in Markdown.

const COLUMNS: usize = 118;

/// Replaces the places for facts in a text of the table by words.
pub fn with_words(text: &str) -> String {
    let words = [("{file}", "FILE"), ("{detail}", "REASON"), ("{address}", "ADDRESS"), ("{number}", "N")];
    words.iter().fold(text.to_owned(), |text, (place, word)| text.replace(place, word))
}

/// Returns the text in lines, each with this beginning.
pub fn paragraph(text: &str) -> String {
    lines(text, "", "")
}

/// Returns the text as a quotation.
pub fn quotation(text: &str) -> String {
    lines(text, "> ", "> ")
}

/// Returns the text as a block of code, in which a long line continues in the next one, indented.
pub fn code_block(text: &str) -> String {
    let line = |line: &str| {
        let indentation = " ".repeat(line.len() - line.trim_start().len());
        // A short line keeps its columns.
        match line.chars().count() > COLUMNS {
            true => lines(line.trim_start(), &indentation, &format!("{indentation}  ")),
            false => format!("{line}\n"),
        }
    };
    format!("```text\n{}```\n", text.trim_end().lines().map(line).collect::<String>())
}

/// Breaks a text into lines: the first begins with `first`, the others with `next`.
fn lines(text: &str, first: &str, next: &str) -> String {
    let (mut lines, mut line) = (String::new(), first.to_owned());
    for word in text.split_whitespace() {
        let is_empty = line.trim_start_matches(['>', ' ']).is_empty();
        if !is_empty && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            lines += &format!("{}\n", line.trim_end());
            line = next.to_owned();
        } else if !is_empty {
            line.push(' ');
        }
        line += word;
    }
    lines + line.trim_end() + "\n"
}
