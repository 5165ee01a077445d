/// A program that is told of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Names the hook's part of the outbox: the same hook keeps its name over a restart.
    pub name: String,
    /// The kinds of events it hears of.
    pub on: Vec<String>,
    /// Program and arguments; no shell.
    pub exec: Vec<String>,
}
