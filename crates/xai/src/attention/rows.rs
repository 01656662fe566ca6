use crate::attention::matrix::LayerAttention;
use crate::error::{ExplainError, require_index};

/// Attention whose rows can be had one at a time.
pub trait AttentionRows {
    /// The number of heads.
    fn heads(&self) -> usize;

    /// The number of tokens.
    fn tokens(&self) -> usize;

    /// What the token `query` takes from every token in one head.
    ///
    /// # Errors
    /// If there is no such head or token.
    fn attention_row(&self, head: usize, query: usize) -> Result<Vec<f64>, ExplainError>;
}

impl AttentionRows for LayerAttention {
    fn heads(&self) -> usize {
        self.heads()
    }

    fn tokens(&self) -> usize {
        self.tokens()
    }

    fn attention_row(&self, head: usize, query: usize) -> Result<Vec<f64>, ExplainError> {
        require_index("head", head, self.heads())?;
        require_index("token", query, self.tokens())?;
        let start = (head * self.tokens() + query) * self.tokens();
        Ok(self.values()[start..start + self.tokens()].to_vec())
    }
}
