//! A tree of names and values, which a page shows as nested lists.

use proxydhcpd_core::dissect::Node;
use serde::Serialize;

/// A name, its value, and the parts of the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tree {
    name: String,
    value: String,
    parts: Vec<Tree>,
}

impl From<&Node> for Tree {
    fn from(Node { name, value, children }: &Node) -> Tree {
        Tree { name: name.clone(), value: value.clone(), parts: children.iter().map(Tree::from).collect() }
    }
}
