//! What a page of documentation holds: fenced blocks, pieces of code, links and headings.

use std::collections::BTreeSet;

/// A fenced block.
pub(crate) struct Block {
    /// The word behind the opening fence, empty if there is none.
    pub(crate) language: String,
    pub(crate) lines: Vec<String>,
}

/// A page, its fenced blocks apart from its text.
pub(crate) struct Page {
    pub(crate) blocks: Vec<Block>,
    text: String,
}

impl Page {
    pub(crate) fn parse(markdown: &str) -> Self {
        let (mut blocks, mut text) = (Vec::new(), String::new());
        let mut open: Option<Block> = None;
        for line in markdown.lines() {
            let fence = line.trim_start().strip_prefix("```");
            match (fence, open.take()) {
                (Some(_), Some(block)) => blocks.push(block),
                (Some(language), None) => {
                    open = Some(Block {
                        language: language.trim().to_owned(),
                        lines: Vec::new(),
                    });
                    text.push('\n');
                }
                (None, Some(mut block)) => {
                    block.lines.push(line.to_owned());
                    open = Some(block);
                }
                (None, None) => {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        assert!(open.is_none(), "a fenced block has no end");
        Self { blocks, text }
    }

    /// Pieces of code within the text.
    pub(crate) fn code(&self) -> Vec<&str> {
        let pieces = self.pieces();
        pieces.filter(|(code, _)| *code).map(|(_, piece)| piece).collect()
    }

    /// Where links and pictures of the text lead.
    pub(crate) fn links(&self) -> Vec<&str> {
        let prose = self.pieces().filter(|(code, _)| !code).map(|(_, piece)| piece);
        prose
            .flat_map(|piece| piece.split("](").skip(1))
            .filter_map(|rest| rest.split_once(')'))
            .map(|(target, _)| target)
            .collect()
    }

    /// What links call the headings by, as hosts of repositories make it of their words.
    pub(crate) fn anchors(&self) -> BTreeSet<String> {
        let headings = self.text.lines().filter(|line| line.starts_with('#'));
        headings
            .map(|line| anchor(line.trim_start_matches('#').trim()))
            .collect()
    }

    /// Parts of paragraphs, each with whether it is code. A stray backtick confuses no more than its own paragraph.
    fn pieces(&self) -> impl Iterator<Item = (bool, &str)> {
        let paragraphs = self.text.split("\n\n");
        paragraphs.flat_map(|paragraph| {
            let pieces = paragraph.split('`').enumerate();
            pieces.map(|(position, piece)| (position % 2 == 1, piece))
        })
    }
}

fn anchor(heading: &str) -> String {
    let letters = heading.to_lowercase();
    let letters = letters.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ => Some(letter).filter(|letter| letter.is_alphanumeric()),
    });
    letters.collect()
}

#[test]
fn a_page_is_taken_apart() {
    let page = Page::parse(
        "# One page: `a` & b\n\nText with `code`, a [link](x.md#y) and\n[`more`](z.md).\n\n\
         ```sh\n# no heading [no](link)\nmitune\n```\n\n```\nx\n```\n",
    );
    let blocks: Vec<_> = page
        .blocks
        .iter()
        .map(|block| (block.language.as_str(), block.lines.len()))
        .collect();
    assert_eq!(blocks, [("sh", 2), ("", 1)]);
    assert_eq!(page.code(), ["a", "code", "more"]);
    assert_eq!(page.links(), ["x.md#y", "z.md"]);
    assert_eq!(page.anchors(), BTreeSet::from(["one-page-a--b".to_owned()]));
}
