//! Lines of a session description (RFC 8866 §5), taken apart without an opinion on their order.

/// The session's lines, then those of each section.
pub fn split(text: &str) -> Vec<Vec<&str>> {
    let mut parts = vec![Vec::new()];
    for line in text.lines().map(str::trim_end) {
        if line.starts_with("m=") {
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(line);
        }
    }
    parts
}

/// Value of the first `a=name:value` or `a=name`.
pub fn attribute<'a>(part: &[&'a str], name: &str) -> Option<&'a str> {
    attributes(part, name).next()
}

pub fn attributes<'a>(part: &[&'a str], name: &str) -> impl Iterator<Item = &'a str> {
    part.iter().filter_map(move |line| {
        let rest = line.strip_prefix("a=")?.strip_prefix(name)?;
        if rest.is_empty() { Some("") } else { rest.strip_prefix(':').map(str::trim) }
    })
}

/// What a line says, shortened so that an error can repeat it.
pub fn shown(line: &str) -> String {
    const MAX_SHOWN: usize = 80;
    let start: String = line.chars().take(MAX_SHOWN).collect();
    let more = if start.len() < line.len() { "…" } else { "" };
    format!("{start:?}{more}")
}
