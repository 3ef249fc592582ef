//! `cargo xtask adr "title"`: the next decision record, with the questions that every record answers.

use std::fs;

use anyhow::Result;

/// Writes docs/adr/NNNN-title.md and prints its path.
pub fn run(title: &str) -> Result<()> {
    fs::create_dir_all("docs/adr")?;
    let last = fs::read_dir("docs/adr")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.get(..4)?.parse::<u32>().ok())
        .max()
        .unwrap_or(0);
    let number = last + 1;
    let slug: String = title
        .to_lowercase()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-");
    let path = format!("docs/adr/{number:04}-{slug}.md");
    fs::write(
        &path,
        format!("# {number:04}. {title}\n\n## Question\n\n## Choice\n\n## Cost\n\n## What would change our mind\n"),
    )?;
    println!("{path}");
    Ok(())
}
