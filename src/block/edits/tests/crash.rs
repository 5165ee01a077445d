//! Killed right after each of a thousand edits: what was acknowledged stands, and what was half done is no hindrance.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;

/// Stores that this is done to beside one another, since a disk is what is waited for, and edits of each.
const STORES: usize = 5;
const EDITS: usize = 200;
/// Where the process that is killed finds the store, and which edit is its own.
const STORE: &str = "SEAWALL_TEST_STORE";
const EDIT: &str = "SEAWALL_TEST_EDIT";

/// Two of three add a rule; the third lifts what the one before it added.
fn acknowledge(edits: &Edits, number: usize) {
    let event = match number % 3 {
        2 => edits.lift(&format!("e{}", number - 1), None, at(number as u64)).unwrap().unwrap(),
        _ => new(edits
            .add(draft(&format!("e{number}"), &[&format!("h{number}.example")]), ALONE, at(number as u64))
            .unwrap()),
    };
    let receipt = serde_json::json!({ "id": event.edit });
    edits.word(&event, &receipt).unwrap();
    edits.settle(&event, Some(receipt)).unwrap();
}

/// Of what was acknowledged.
fn in_force(acknowledged: usize) -> BTreeSet<String> {
    let stands = |number: &usize| number.is_multiple_of(3) || (number % 3 == 1 && number + 1 >= acknowledged);
    (0..acknowledged).filter(stands).map(|number| format!("e{number}:1")).collect()
}

fn found(edits: &Edits) -> BTreeSet<String> {
    let all: Vec<String> = listed(edits);
    all.into_iter().filter(|id| !id.starts_with("late")).collect()
}

#[test]
fn none_of_a_thousand_acknowledged_edits_is_lost() {
    std::thread::scope(|scope| {
        (0..STORES).for_each(|_| drop(scope.spawn(edit_and_kill)));
    });
}

fn edit_and_kill() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..EDITS {
        let mut killed = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "edits::tests::crash::killed", "--nocapture"])
            .env(STORE, folder.path())
            .env(EDIT, number.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(killed.stdout.take().unwrap());
        let said = out.lines().map_while(Result::ok).find(|line| line.contains("acknowledged"));
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert!(said.is_some(), "edit {number} was acknowledged: whatever was half done before, the store opens");
    }
    assert_eq!(found(&Edits::open(folder.path()).unwrap()), in_force(EDITS));
}

/// Makes one edit in a process of its own, says so, and is killed amid others.
#[test]
fn killed() {
    let (Ok(store), Ok(number)) = (std::env::var(STORE), std::env::var(EDIT)) else { return };
    let edits = Edits::open(Path::new(&store)).unwrap();
    let number: usize = number.parse().unwrap();
    assert_eq!(found(&edits), in_force(number), "all that was acknowledged is there, and nothing else");
    acknowledge(&edits, number);
    writeln!(std::io::stdout(), "acknowledged").unwrap();
    loop {
        drop(edits.add(draft("late", &["late.example"]), ALONE, at(0)).unwrap());
        edits.lift("late", None, at(0)).unwrap();
        edits.pending().iter().for_each(|event| edits.settle(event, None).unwrap());
    }
}
