//! What is shown of the rules in force, to whoever asks. Nothing here waits for a publication, but for the
//! pages of live edits, which wait while one of them is written and compiled.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use block::edits::{BadCursor, Page, WantedEdits};
use block::sources::SourceStatus;
use block::{Case, Explanation, Index, Lines, Wanted};
use terms::{Digest, Residence, Timestamp, Url};

use super::Takedown;

/// The rules in force, in numbers.
pub struct Lists {
    pub version: u64,
    pub rules: u64,
    pub live: u64,
    /// Since other rules came in force.
    pub age: Duration,
    pub errors: u64,
    pub troubles: u64,
    index: Arc<Index>,
}

impl Lists {
    /// Of the same rules as the numbers. Of a hundred thousand live rules it takes some ms, once.
    pub fn hash(&self) -> Digest {
        self.index.hash()
    }
}

impl Takedown {
    /// For who is where `residence` says.
    pub fn explain(&self, url: &Url, residence: Residence) -> Explanation {
        self.blocks.index().explain(url, Case { now: self.clock.wall(), whom: &|| residence })
    }

    /// Live rules that are wanted; of those, the ones that cover `url`.
    pub fn blocks(
        &self,
        after: Option<&str>,
        limit: usize,
        mut wanted: WantedEdits,
        url: Option<&Url>,
    ) -> Result<Page, BadCursor> {
        wanted.rules.ids = url.map(|url| self.blocks.index().live_about(url).collect());
        self.edits.list(after, limit, &wanted)
    }

    /// Rules of list files, as [`block::Index::lines`].
    pub fn lines(
        &self,
        after: Option<&str>,
        limit: usize,
        what: (&Wanted, Option<&str>, Option<&Url>),
    ) -> Result<Lines, BadCursor> {
        self.blocks.index().lines(after, limit, what, self.clock.wall())
    }

    pub fn sources(&self) -> Arc<Vec<SourceStatus>> {
        self.board.status()
    }

    /// What lists show something else than is in force, and which pages can't be shown, a sentence each.
    pub fn list_troubles(&self) -> Vec<String> {
        let told = |source: &SourceStatus| Some(format!("{}: {}", source.file.display(), source.trouble.as_ref()?));
        let mut troubles: Vec<String> = self.sources().iter().filter_map(told).collect();
        troubles.extend(self.feed_troubles());
        troubles.extend(self.blocks.shelf().troubles().iter().cloned());
        if !self.board.allowed().geo
            && let Some(rule) = self.blocks.index().first_of_countries()
        {
            troubles.push(format!(
                "the rule at {rule} is for some countries, and holds everywhere: nothing under [geo] tells where clients are"
            ));
        }
        if self.unpublished.load(Relaxed) {
            troubles.push("what has changed can't be put in force: the state folder can't be written".to_owned());
        }
        troubles
    }

    pub fn lists(&self) -> Lists {
        let index = self.blocks.index();
        Lists {
            version: index.version(),
            rules: index.rules() as u64,
            live: index.live().len() as u64,
            age: self.clock.wall().since(Timestamp::from_micros(self.since.load(Relaxed))),
            errors: self.list_errors.load(Relaxed),
            troubles: self.list_troubles().len() as u64,
            index,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.wall()
    }
}
