//! What a network has made of a graph.

use crate::graph::Value;

/// The tensors that may be outputs.
pub(crate) struct Written {
    /// `[batch, classes]`
    pub(crate) logits: Value,
    /// One entry a layer of attention that is shown, the first layer first.
    pub(crate) attention: Vec<AttentionOutput>,
    /// How much each class counts each token, `[batch, classes, tokens]`, if the classes have an attention of their own.
    pub(crate) class_attention: Option<Value>,
    /// What each token says for each class, `[batch, classes, tokens]`.
    pub(crate) class_evidence: Option<Value>,
    /// Rows and columns of the tokens; no tokens without attention.
    pub(crate) grid: [usize; 2],
}

/// The attention of a layer.
pub(crate) struct AttentionOutput {
    /// `[batch, heads, tokens, tokens]`
    pub(crate) value: Value,
    /// The block, by the first part of the names of its tensors.
    pub(crate) block: String,
    pub(crate) heads: usize,
    /// All tokens.
    pub(crate) tokens: usize,
    /// Tokens before those of the grid, such as that of the class.
    pub(crate) prefix: usize,
}

impl Written {
    /// A network without attention.
    pub(crate) fn logits_alone(logits: Value) -> Self {
        Self { logits, attention: Vec::new(), class_attention: None, class_evidence: None, grid: [0; 2] }
    }
}

/// The name of the attention of a layer among those that are shown.
pub(crate) fn attention_name(layer: usize) -> String {
    format!("attention.{layer}")
}
