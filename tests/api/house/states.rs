//! The pictures of `docs/states.md` are drawn from the tables of the code.

use std::fmt::Write as _;
use std::fs;

use kakeuri::domain::application::ApplicationStatus;
use kakeuri::domain::member::{MemberAction, MemberStatus};
use kakeuri::domain::payment::{PaymentAction, PaymentStatus};
use layout::backends::svg::SVGWriter;
use layout::gv::{DotParser, GraphBuilder};

/// States and what leads from one to another, in the language of Graphviz.
#[derive(Default)]
struct Machine {
    states: String,
    moves: Vec<(String, String, String)>,
}

impl Machine {
    fn state(&mut self, word: &str, label: &str) {
        let label = if label.is_empty() { "–" } else { label };
        writeln!(
            self.states,
            "{word} [label=\"{word}\\n{label}\" shape=box style=rounded]"
        )
        .unwrap();
    }

    /// What leads the same way is one arrow.
    fn leads(&mut self, from: &str, to: &str, by: &str) {
        if from == to {
            return;
        }
        match self
            .moves
            .iter_mut()
            .find(|(begin, end, _)| begin == from && end == to)
        {
            Some((.., told)) => write!(told, ", {by}").unwrap(),
            None => self
                .moves
                .push((from.to_owned(), to.to_owned(), by.to_owned())),
        }
    }

    fn graph(&self) -> String {
        let mut graph = format!("digraph {{ rankdir=LR\n{}", self.states);
        for (from, to, by) in &self.moves {
            writeln!(graph, "{from} -> {to} [label=\"{by}\"]").unwrap();
        }
        graph.push('}');
        graph
    }

    /// Where the states stand differs from drawing to drawing, so that the picture also says what it was drawn of.
    fn drawn(&self) -> String {
        let text = self.graph();
        let mut parser = DotParser::new(&text);
        let graph = parser
            .process()
            .unwrap_or_else(|fault| panic!("{fault}\n{text}"));
        let mut builder = GraphBuilder::new();
        builder.visit_graph(&graph);
        let mut picture = SVGWriter::new();
        builder.get().do_it(false, false, false, &mut picture);
        format!("{}\n{}", picture.finalize(), self.origin())
    }

    fn origin(&self) -> String {
        format!("<!-- {} -->\n", self.graph().replace("->", "to"))
    }
}

fn payment() -> Machine {
    let mut machine = Machine::default();
    for status in PaymentStatus::ALL {
        machine.state(status.as_str(), status.label().0);
    }
    machine.leads("processing", "unconfirmed", "register");
    machine.leads("processing", "failed", "refused");
    for status in PaymentStatus::ALL {
        for action in PaymentAction::ALL {
            if let Ok(after) = status.after(*action) {
                machine.leads(status.as_str(), after.as_str(), action.as_str());
            }
        }
    }
    machine
}

fn member() -> Machine {
    let mut machine = Machine::default();
    for status in MemberStatus::ALL {
        machine.state(status.as_str(), status.label().0);
        for action in MemberAction::ALL {
            if let Some(after) = status.after(*action) {
                machine.leads(status.as_str(), after.as_str(), action.as_str());
            }
        }
    }
    machine
}

fn application() -> Machine {
    use ApplicationStatus::{
        ApprovedActive, ApprovedInactive, Declined, Pending, Submitted, UnderReview,
    };
    let mut machine = Machine::default();
    for status in ApplicationStatus::ALL {
        machine.state(status.as_str(), status.label().0);
    }
    for status in ApplicationStatus::ALL {
        for target in ApplicationStatus::ALL {
            if status.may_be_set_by_hand(*target) {
                machine.leads(status.as_str(), target.as_str(), "by hand");
            }
        }
    }
    machine.leads(Pending.as_str(), Submitted.as_str(), "submit");
    for answer in [UnderReview, ApprovedActive, ApprovedInactive, Declined] {
        for status in [Submitted, UnderReview, ApprovedActive, ApprovedInactive] {
            machine.leads(
                status.as_str(),
                status.after_answer(answer).as_str(),
                "Paid",
            );
        }
    }
    machine
}

#[test]
fn the_pictures_of_the_states_are_those_of_the_code() {
    let folder = format!("{}/docs/states", env!("CARGO_MANIFEST_DIR"));
    for (name, machine) in [
        ("payment", payment()),
        ("application", application()),
        ("member", member()),
    ] {
        let path = format!("{folder}/{name}.svg");
        if std::env::var_os("KAKEURI_UPDATE").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, machine.drawn()).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept.ends_with(&machine.origin()),
            "{path} is another picture: KAKEURI_UPDATE=1 draws it anew"
        );
    }
}
