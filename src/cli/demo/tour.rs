//! What the demo prints: steps to follow by copying lines, in any folder.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::output::{Output, Paint};
use super::Place;
use super::shell;

pub(super) struct Tour<'a> {
    /// As it is started from any folder; a word for the shell.
    pub(super) program: String,
    pub(super) edge: SocketAddr,
    pub(super) place: &'a Place,
}

/// What to see, and the lines that show it.
struct Step {
    title: &'static str,
    note: &'static str,
    lines: Vec<String>,
}

impl Tour<'_> {
    pub(super) fn print(&self, output: &mut Output) -> anyhow::Result<()> {
        output.line("")?;
        output.line(format!(
            "A small origin, a caching edge before it, and a block list that is watched. See {} in a browser,",
            self.url("/")
        ))?;
        output.line(
            "or copy these lines into a second terminal, in any folder. Ctrl-C here ends it and removes all of it.",
        )?;
        for (number, step) in (1..).zip(self.steps()) {
            output.line("")?;
            let title = output.paint(Paint::Bold, &format!("{number}. {}", step.title));
            output.line(format!("{title} {}", step.note).trim_end())?;
            for line in step.lines {
                output.line(format!("   {line}"))?;
            }
        }
        output.line("")
    }

    fn steps(&self) -> [Step; 6] {
        [self.fetch(), self.list(), self.cut(), self.edit(), self.ask(), self.verify()]
    }

    fn fetch(&self) -> Step {
        let curl = self.curl();
        let fetch = format!("{curl} -s -o /dev/null -D - {}", self.word("/pictures/harbour.svg"));
        Step {
            title: "Fetch a picture twice.",
            note: "The second comes from the cache: `Cache-Status: seawall; hit`.",
            lines: vec![fetch.clone(), fetch],
        }
    }

    fn list(&self) -> Step {
        let (url, word) = (self.url("/pictures/harbour.svg"), self.word("/pictures/harbour.svg"));
        let (curl, other) = (self.curl(), self.word("/x/..//pictures/%68arbour.svg?size=big"));
        Step {
            title: "A notice came: append a line to the list.",
            note: "No restart: 451, in every spelling, and `why` names the line.",
            lines: vec![
                self.append(&format!("{url} notice=N-1 reason=\"DMCA 512(c)\"")),
                format!("{curl} -i {word}"),
                format!("{curl} -s -o /dev/null -w '%{{http_code}}\\n' --path-as-is {other}"),
                self.seawall("why", &word),
            ],
        }
    }

    fn cut(&self) -> Step {
        let (curl, url) = (self.curl(), self.word("/slow"));
        let append = self.append(&format!("{} notice=N-2", self.url("/slow")));
        Step {
            title: "Watch a slow download being cut:",
            note: match self.place.is_secured {
                true => {
                    "its URL is noticed after three seconds, and curl ends with 92 (with 56 if it knows no HTTP/2)."
                }
                false => "its URL is noticed after three seconds, and curl ends with 56.",
            },
            lines: vec![format!("(sleep 3; {append}) & {curl} -o /dev/null {url}; echo \"curl ended with $?\"")],
        }
    }

    fn edit(&self) -> Step {
        let (curl, url) = (self.curl(), self.word("/page"));
        Step {
            title: "Block by the API, and lift it.",
            note: "The receipt comes when the block is on the disk and in force.",
            lines: vec![
                format!("{curl} -s -o /dev/null {url}"),
                self.seawall("block", &format!("{url} --notice N-3 --reason 'court order' --id tour")),
                format!("{curl} -s -o /dev/null -w '%{{http_code}}\\n' {url}"),
                self.seawall("blocks", ""),
                self.seawall("unblock", "tour"),
            ],
        }
    }

    fn ask(&self) -> Step {
        Step {
            title: "Ask the log",
            note: "what became of a URL, and for whose sake something was refused.",
            lines: vec![
                self.seawall("audit query", &format!("--url {}", self.word("/slow"))),
                self.seawall("audit query", "--notice N-1 --output jsonl"),
            ],
        }
    }

    fn verify(&self) -> Step {
        let evidence = self.place.evidence();
        let (evidence, copy) = (shell::path(&evidence), shell::path(&self.place.tampered));
        let program = &self.program;
        Step {
            title: "Verify the log, then flip a byte in a copy of it:",
            note: "verify names the file, the line and the record.",
            lines: vec![
                format!("{program} audit verify {evidence}"),
                format!("mkdir -p {copy} && cp -r {evidence}/. {copy}/"),
                format!(
                    "printf X | dd of=\"$(ls {copy}/segments/*.jsonl | tail -n 1)\" bs=1 seek=200 conv=notrunc 2>/dev/null"
                ),
                format!("{program} audit verify {copy}"),
            ],
        }
    }

    fn seawall(&self, command: &str, rest: &str) -> String {
        let line = format!("{} {command} -c {} {rest}", self.program, shell::path(&self.place.config));
        line.trim_end().to_owned()
    }

    /// curl believes the demo's certificate, and no other.
    fn curl(&self) -> String {
        match self.place.is_secured {
            true => format!("curl --cacert {}", shell::path(&self.place.certificate())),
            false => "curl".to_owned(),
        }
    }

    /// `rule` must not hold a single quote.
    fn append(&self, rule: &str) -> String {
        format!("echo '{rule}' >> {}", shell::path(&self.place.list))
    }

    /// A word for the shell: some read the brackets of an address of IPv6 as a pattern.
    fn word(&self, path: &str) -> String {
        shell::word(&self.url(path))
    }

    fn url(&self, path: &str) -> String {
        let ip = match self.edge.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let scheme = if self.place.is_secured { "https" } else { "http" };
        format!("{scheme}://{}{path}", SocketAddr::new(ip, self.edge.port()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_line_names_things_by_their_whole_path() {
        every_line_does(false);
        every_line_does(true);
    }

    fn every_line_does(is_secured: bool) {
        let place = Place { is_secured, ..Place::of(Path::new("/tmp/it's here")) };
        let tour = Tour { program: "/opt/seawall".into(), edge: "0.0.0.0:8080".parse().unwrap(), place: &place };
        let steps = tour.steps();
        let lines: Vec<&String> = steps.iter().flat_map(|step| &step.lines).collect();
        assert!(lines.len() + 3 * steps.len() < 60);
        for line in lines {
            assert!(!line.contains("0.0.0.0"), "{line}");
            assert!(
                !line.contains("it's here") && (line.contains("it'\\''s here") || line.starts_with("curl ")),
                "{line}"
            );
            let starts = ["/opt/seawall ", "curl ", "echo ", "printf ", "mkdir ", "(sleep "];
            assert!(starts.iter().any(|start| line.starts_with(start)), "{line}");
        }
        let scheme = if is_secured { "https" } else { "http" };
        let block = "/opt/seawall block -c '/tmp/it'\\''s here/seawall.toml'";
        assert!(steps[3].lines[1].starts_with(&format!("{block} {scheme}://127.0.0.1:8080/page ")));
    }
}
