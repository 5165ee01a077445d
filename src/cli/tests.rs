//! The command line as a whole: what is taken, what is usage, what is explained.

use clap::CommandFactory;

use super::*;

fn parsed(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

#[test]
fn the_command_line_holds_together() {
    Cli::command().debug_assert();
}

/// clap takes `{n}` in a help text for the end of a line.
#[test]
fn no_help_is_broken_where_it_speaks_of_braces() {
    let mut left = vec![Cli::command()];
    while let Some(command) = left.pop() {
        let of_args = command.get_arguments().flat_map(|arg| [arg.get_help(), arg.get_long_help()]);
        let own = [command.get_about(), command.get_long_about()];
        for text in of_args.chain(own).flatten() {
            assert!(!text.to_string().contains("{n}"), "{}: {text}", command.get_name());
        }
        left.extend(command.get_subcommands().cloned());
    }
}

#[test]
fn every_command_of_the_contract_is_known() {
    for line in [
        "seawall demo",
        "seawall demo --listen 127.0.0.1:0 --admin [::1]:0",
        "seawall proxy --listen 127.0.0.1:0 --to http://127.0.0.1:3000",
        "seawall proxy --listen [::]:80 --to http://a --admin 127.0.0.1:0 --blocklist a --blocklist b --state s --memory 1GiB",
        "seawall run",
        "seawall run -c a.toml",
        "seawall check -c a.toml",
        "seawall why https://a/ -c a.toml",
        "seawall why --admin 127.0.0.1:9090 --token-file t --output json https://a/",
        "seawall block https://a/b *.c sha256:00 !https://a/ --notice N-1 --reason R",
        "seawall unblock a b -c a.toml",
        "seawall blocks --output jsonl",
        "seawall blocks --search a --notice N --url https://a/ --host a --since 2026-01-01 --by me",
        "seawall blocks --all --search a",
        "seawall block https://a/b --by me --dry-run",
        "seawall unblock a --dry-run",
        "seawall purge https://a/ --admin http://127.0.0.1:1 --token-file t",
        "seawall status --output json",
        "seawall reload --accept-shrink",
        "seawall bench --url http://127.0.0.1:8080/a",
        "seawall bench --url http://a/{n} --count 10 --zipf 1.0 --rate 5000/s --duration 1s --same --output json",
        "seawall bench --urls f --requests 5 --connections 9 --no-keep-alive --method HEAD -H a:b --host h",
        "seawall bench --digests f --http2 --streams 4 --insecure --timeout 1s",
        "seawall audit verify state/audit",
        "seawall audit verify -c a.toml",
        "seawall audit query state/audit --url https://a/ --notice N --site s --verdict cut --since 2026-01-01 --until 2027-01-01 --output csv",
        "seawall audit tail state/audit -n 3 --output jsonl --url https://a/ --verdict cut",
        "seawall audit tail -c a.toml",
        "seawall completions zsh",
        "seawall man",
        "seawall man audit tail",
        "seawall man --to man1",
        "seawall audit query -c a.toml --digest sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ] {
        assert!(parsed(line).is_ok(), "{line}: {:?}", parsed(line).err());
    }
}

#[test]
fn a_line_that_makes_no_sense_is_usage() {
    for line in [
        "seawall",
        "seawall serve",
        "seawall proxy --listen 127.0.0.1:0",
        "seawall proxy --listen 8080 --to http://a",
        "seawall proxy --listen 127.0.0.1:0 --to http://a --memory 12",
        "seawall block --notice N-1",
        "seawall unblock",
        "seawall why",
        "seawall blocks --output yaml",
        "seawall blocks --all --since 2026-01-01",
        "seawall blocks --since soon",
        "seawall bench",
        "seawall bench --url http://a/ --rate 5/d",
        "seawall bench --url http://a/ --connections 0",
        "seawall bench --url http://a/ --zipf 11",
        "seawall bench --url http://a/ --streams 4",
        "seawall bench --url http://a/ --insecure --ca-file f",
        "seawall bench --url http://a/ -H Content-Length:1",
        "seawall audit",
        "seawall audit verify state/audit -c a.toml",
        "seawall audit query --verdict seen",
        "seawall audit tail --output csv",
        "seawall audit tail -n -1",
        "seawall completions",
        "seawall completions tcsh",
        "seawall audit query --url ftp://a",
    ] {
        let error = parsed(line).err();
        assert_eq!(error.map(|error| error.exit_code()), Some(i32::from(Exit::Usage.code())), "{line}");
    }
}

#[test]
fn every_command_shows_an_example() {
    let mut all: Vec<clap::Command> = Cli::command().get_subcommands().cloned().collect();
    let inner: Vec<clap::Command> = all.iter().flat_map(|command| command.get_subcommands().cloned()).collect();
    all.extend(inner);
    for mut command in all.into_iter().filter(|command| !command.has_subcommands()) {
        let help = command.render_long_help().to_string();
        assert!(help.contains("Examples:\n  seawall "), "{help}");
        assert!(command.get_about().is_some());
    }
}
