use burn::tensor::Tensor;

use crate::attention::check::{AttentionCheck, check_attention};
use crate::attention::matrix::LayerAttention;
use crate::attention::rows::AttentionRows;
use crate::error::{ExplainError, require_count, require_finite, require_index, require_shape, value_count};
use crate::scorer::read_tensor;

/// The attention of one linear attention layer over the tokens of one image, as the features of its queries and keys.
///
/// Linear attention (Katharopoulos et al. 2020, equation 5) computes
/// `y_i = φ(q_i)ᵀ Σⱼ φ(k_j) v_jᵀ / φ(q_i)ᵀ Σⱼ φ(k_j)` and never forms a matrix. The matrix is there all the same:
/// `A_ij = φ(q_i)·φ(k_j) / (φ(q_i)·z)` with `z = Σⱼ φ(k_j)` satisfies `y = A v` exactly. One row costs `O(tokens ·
/// features)`, so that the map of a few queries needs no matrix at all.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearAttention {
    queries: Vec<f64>,
    keys: Vec<f64>,
    denominators: Vec<f64>,
    shape: [usize; 3],
}

impl LinearAttention {
    /// The attention of queries `φ(q)` and keys `φ(k)`, each `[heads, tokens, features]` in row-major order.
    ///
    /// # Errors
    /// If the numbers of values do not fit, one is not finite, or the denominator of a query is not positive.
    pub fn new(queries: Vec<f64>, keys: Vec<f64>, shape: [usize; 3]) -> Result<Self, ExplainError> {
        let [heads, tokens, features] = shape;
        if shape.contains(&0) {
            return Err(ExplainError::Empty { what: "linear attention" });
        }
        let expected = value_count("linear attention", &shape)?;
        for (what, values) in [("the query features", &queries), ("the key features", &keys)] {
            require_count(what, values.len(), expected)?;
            require_finite(what, values)?;
        }
        let mut denominators = Vec::with_capacity(heads * tokens);
        for head in 0..heads {
            let range = head * tokens * features..(head + 1) * tokens * features;
            let mut key_sum = vec![0.0; features];
            for key in keys[range.clone()].chunks_exact(features) {
                key_sum.iter_mut().zip(key).for_each(|(sum, value)| *sum += value);
            }
            denominators.extend(queries[range].chunks_exact(features).map(|query| dot(query, &key_sum)));
        }
        if let Some(index) = denominators.iter().position(|&value| value.is_nan() || value <= 0.0) {
            let (head, query, value) = (index / tokens, index % tokens, denominators[index]);
            return Err(ExplainError::AttentionDenominator { head, query, value });
        }
        Ok(Self { queries, keys, denominators, shape })
    }

    /// The attention of queries `φ(q)` and keys `φ(k)` in tensors `[heads, tokens, features]` of any device.
    ///
    /// # Errors
    /// As [`LinearAttention::new`], or if the shapes differ or the device fails.
    pub fn from_features(queries: Tensor<3>, keys: Tensor<3>) -> Result<Self, ExplainError> {
        let shape = queries.dims();
        require_shape("the key features", &keys.dims(), &shape)?;
        let widen = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
        let queries = widen(read_tensor("the query features", queries)?);
        Self::new(queries, widen(read_tensor("the key features", keys)?), shape)
    }

    /// The attention of every image of a batch, from queries and keys `[batch, heads, tokens, features]`.
    ///
    /// # Errors
    /// As [`LinearAttention::from_features`].
    pub fn from_batch(queries: &Tensor<4>, keys: &Tensor<4>) -> Result<Vec<Self>, ExplainError> {
        let [batch, heads, tokens, features] = queries.dims();
        require_shape("the key features", &keys.dims(), &queries.dims())?;
        let one = |features_of: &Tensor<4>, image: usize| {
            features_of.clone().narrow(0, image, 1).reshape([heads, tokens, features])
        };
        (0..batch).map(|image| Self::from_features(one(queries, image), one(keys, image))).collect()
    }

    /// The number of heads.
    pub fn heads(&self) -> usize {
        self.shape[0]
    }

    /// The number of tokens.
    pub fn tokens(&self) -> usize {
        self.shape[1]
    }

    /// What one token takes from every other, `[tokens]`, at a cost of `O(tokens · features)`.
    ///
    /// # Errors
    /// If there is no such head or token.
    pub fn row(&self, head: usize, query: usize) -> Result<Vec<f64>, ExplainError> {
        let [heads, tokens, features] = self.shape;
        require_index("head", head, heads)?;
        require_index("token", query, tokens)?;
        let keys = &self.keys[head * tokens * features..(head + 1) * tokens * features];
        let query = head * tokens + query;
        let features_of_query = &self.queries[query * features..(query + 1) * features];
        Ok(keys.chunks_exact(features).map(|key| dot(features_of_query, key) / self.denominators[query]).collect())
    }

    /// The full matrices of all heads.
    ///
    /// # Errors
    /// If an entry is negative, which features of both signs allow, or there is no memory for the matrices.
    pub fn matrices(&self) -> Result<LayerAttention, ExplainError> {
        let [heads, tokens, _] = self.shape;
        let count = value_count("attention", &[heads, tokens, tokens])?;
        let mut values = Vec::new();
        values.try_reserve_exact(count).map_err(|_| {
            let shape = vec![heads, tokens, tokens];
            ExplainError::TooLarge { what: "attention", shape }
        })?;
        for head in 0..heads {
            for query in 0..tokens {
                values.extend(self.row(head, query)?);
            }
        }
        LayerAttention::new(values, heads, tokens)
    }

    /// [`check_attention`] of this attention.
    ///
    /// # Errors
    /// If the shapes do not fit, a value is not finite, or the device fails.
    pub fn check(&self, values: Tensor<3>, output: Tensor<3>) -> Result<AttentionCheck, ExplainError> {
        check_attention(self, values, output)
    }
}

impl AttentionRows for LinearAttention {
    fn heads(&self) -> usize {
        self.heads()
    }

    fn tokens(&self) -> usize {
        self.tokens()
    }

    fn attention_row(&self, head: usize, query: usize) -> Result<Vec<f64>, ExplainError> {
        self.row(head, query)
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}
