//! The tour in the README and the page for partners, run to the letter against the real program on an empty data folder.
//! Only the addresses are the test's, by the variables that the texts themselves offer.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::process::{Process, empty_folder, free_address, program};

/// A step of a text: what is pasted, and what the text says it prints.
struct Step {
    commands: String,
    printed: String,
}

/// The steps in a section of a file.
fn steps(file: &str, title: &str) -> Vec<Step> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let section = text
        .split("\n## ")
        .find(|section| section.starts_with(title))
        .unwrap();
    let block = |text: &str, language: &str| {
        let (_, rest) = text.split_once(&format!("```{language}\n"))?;
        rest.split_once("```")
            .map(|(block, rest)| (block.to_owned(), rest.to_owned()))
    };
    let (mut steps, mut rest) = (Vec::new(), section.to_owned());
    while let Some((commands, after)) = block(&rest, "sh") {
        let (printed, after) = block(&after, "text").unwrap();
        steps.push(Step { commands, printed });
        rest = after;
    }
    steps
}

/// Does a text look like the pattern, in which `…` stands for anything?
fn looks_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.trim().split('…');
    let Some(mut rest) = text.trim().strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in between {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

#[test]
fn the_tour_prints_what_the_readme_says() {
    let steps = steps("README.md", "A tour");
    assert!(steps.len() >= 10);
    print_what_they_say("tour", &steps);
}

#[test]
fn a_partner_comes_from_nothing_to_a_verified_webhook() {
    let steps = steps("docs/integrating.md", "From nothing");
    assert_eq!(steps.len(), 6);
    print_what_they_say("integrating", &steps);
}

fn print_what_they_say(name: &str, steps: &[Step]) {
    let folder = empty_folder(name);
    let (listen, sandbox) = (free_address(), free_address());
    let settings = [
        ("KAKEURI_LISTEN", listen.as_str()),
        ("KAKEURI_SANDBOX_LISTEN", sandbox.as_str()),
        ("KAKEURI_DATA_DIR", folder.to_str().unwrap()),
        ("KAKEURI_WEBHOOK_ALLOW_PRIVATE", "on"),
    ];
    let service = Process::start(
        &settings,
        &["serve"],
        &folder.join("service.log"),
        "Kakeuri answers",
    );
    let path = format!(
        "{}:{}",
        program().parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let mut shell = Command::new("bash")
        .args(["-euo", "pipefail"])
        .current_dir(&folder)
        .envs(settings)
        .env("PATH", path)
        .env("KAKEURI", format!("http://{listen}"))
        .env("SANDBOX", format!("http://{sandbox}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let script: String = steps
        .iter()
        .map(|step| format!("{}printf '\\036'\n", step.commands))
        .collect();
    shell
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = String::from_utf8(shell.wait_with_output().unwrap().stdout).unwrap();
    let mut outputs = output.split('\x1e');
    for step in steps {
        let printed = outputs.next().unwrap_or_default();
        assert!(
            looks_like(printed, &step.printed),
            "{}\nprints\n{printed}\nand not\n{}",
            step.commands,
            step.printed
        );
    }
    service.stop();
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn an_ellipsis_stands_for_anything() {
    for (text, pattern, same) in [
        ("a\n", "a", true),
        ("a b", "a", false),
        ("pk_1 x@tour2.example\n", "pk_… x@tour….example", true),
        ("pk_1", "pk_… x", false),
    ] {
        assert_eq!(looks_like(text, pattern), same, "{text:?} {pattern:?}");
    }
}
