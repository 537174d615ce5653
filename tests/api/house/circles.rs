//! No two files import each other, be it by way of others: each can be read before those that use it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::house::imports::{code, is_test, under};

/// A crate's files, and the folders of it in which there must be no circle; none named means anywhere.
const CRATES: [(&str, &[&str]); 4] = [
    ("src", &["workflows", "paid", "db"]),
    ("crates/paid-protocol/src", &[]),
    ("crates/paid-sandbox/src", &[]),
    ("crates/devdb/src", &[]),
];

type Module = Vec<String>;

/// The path of a file as a module of its crate, whose files lie under `root`; empty for the crate itself.
fn module_of(root: &str, path: &Path) -> Module {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
    let path = path.strip_prefix(root).unwrap().with_extension("");
    let mut module: Module = path
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    if module
        .last()
        .is_some_and(|last| last == "mod" || last == "lib")
    {
        module.pop();
    }
    module
}

/// Splits at commas that stand outside of braces.
fn branches(tree: &str) -> Vec<&str> {
    let (mut found, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&tree[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(&tree[from..]);
    found
}

/// The paths of a use declaration, written out.
fn paths(tree: &str, before: &[String], found: &mut Vec<Module>) {
    let tree = tree.trim();
    let (head, inner) = match tree.split_once('{') {
        Some((head, inner)) => (head, Some(inner.trim_end().strip_suffix('}').unwrap())),
        None => (tree.split(" as ").next().unwrap_or_default(), None),
    };
    let parts = head
        .split("::")
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let path: Module = before
        .iter()
        .cloned()
        .chain(parts.map(str::to_owned))
        .collect();
    match inner {
        Some(inner) => branches(inner)
            .into_iter()
            .for_each(|branch| paths(branch, &path, found)),
        None => found.push(path),
    }
}

/// What a path names, seen from the crate's root.
fn from_root(module: &Module, path: &[String]) -> Module {
    let ups = path.iter().take_while(|part| *part == "super").count();
    let rest = path[ups..].iter().filter(|part| *part != "self").cloned();
    match path.first().map(String::as_str) {
        Some("crate") => rest.skip(1).collect(),
        _ => module[..module.len() - ups.min(module.len())]
            .iter()
            .cloned()
            .chain(rest)
            .collect(),
    }
}

/// Everything that a file imports or names by its full path.
fn mentions(text: &str) -> Vec<Module> {
    let mut found = Vec::new();
    let mut declaration: Option<String> = None;
    for line in text.lines().map(str::trim) {
        if let Some(begun) = &mut declaration {
            begun.push_str(line);
        } else if let Some((before, tree)) = line.split_once("use ")
            && (before.is_empty() || before.starts_with("pub"))
        {
            declaration = Some(tree.to_owned());
        }
        if let Some(whole) = declaration.take_if(|begun| begun.ends_with(';')) {
            paths(whole.trim_end_matches(';'), &[], &mut found);
        }
    }
    for root in ["crate::", "super::"] {
        for (at, _) in text.match_indices(root) {
            let rest = text[at..]
                .split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
                .next();
            let path = rest.unwrap_or_default().trim_end_matches(':');
            if path.contains("::") {
                paths(path, &[], &mut found);
            }
        }
    }
    found
}

/// The files under `root`, each with those that it imports.
fn imports(root: &str) -> BTreeMap<Module, BTreeSet<Module>> {
    let files: BTreeMap<Module, PathBuf> = under(root)
        .into_iter()
        .filter(|path| !is_test(path))
        .map(|path| (module_of(root, &path), path))
        .collect();
    let file_of = |named: Module| {
        (0..=named.len())
            .rev()
            .map(|length| named[..length].to_vec())
            .find(|module| files.contains_key(module))
    };
    let imported = |(module, path): (&Module, &PathBuf)| {
        let named = mentions(&code(path)).into_iter();
        let others = named.filter_map(|path| file_of(from_root(module, &path)));
        let others = others.filter(|other| other != module).collect();
        (module.clone(), others)
    };
    files.iter().map(imported).collect()
}

/// Everything that is reached from a file by imports.
fn reached(from: &Module, imports: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let (mut seen, mut to_see) = (BTreeSet::new(), vec![from]);
    while let Some(module) = to_see.pop() {
        for other in imports.get(module).into_iter().flatten() {
            if seen.insert(other.clone()) {
                to_see.push(other);
            }
        }
    }
    seen
}

#[test]
fn no_two_files_import_each_other() {
    for (root, places) in CRATES {
        let imports = imports(root);
        let edges: usize = imports.values().map(BTreeSet::len).sum();
        assert!(edges > 5, "only {edges} imports were found under {root}");
        let within = |module: &Module| {
            places.is_empty() || module.first().is_some_and(|top| places.contains(&&**top))
        };
        let circles: Vec<String> = imports
            .keys()
            .filter(|module| within(module) && reached(module, &imports).contains(*module))
            .map(|module| module.join("/"))
            .collect();
        assert!(circles.is_empty(), "in circles: {circles:#?}");
    }
}

#[test]
fn imports_are_read_as_the_compiler_reads_them() {
    let module = ["workflows", "payment", "act"].map(str::to_owned).to_vec();
    let text = "use super::{\n    answer::{self, finish}, lock as locks\n};\nlet x = crate::db::order::find(1);";
    let named: BTreeSet<String> = mentions(text)
        .iter()
        .map(|path| from_root(&module, path).join("/"))
        .collect();
    for expected in [
        "workflows/payment/answer",
        "workflows/payment/answer/finish",
        "workflows/payment/lock",
        "db/order/find",
    ] {
        assert!(named.contains(expected), "{expected} is not in {named:?}");
    }
}
