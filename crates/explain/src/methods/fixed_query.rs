use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, UsageError, require};
use tinylsa_xai::{
    AttentionCheck, AttentionStatistics, ExplainError, HeadFusion, fixed_query_maps, fixed_query_positions,
    input_times_gradient, token_of_largest_attribution,
};

use super::support::attention::{MatrixStatistics, check_warnings, flat_warning};
use crate::budget::Budget;
use crate::circumstances::Circumstances;
use crate::error::Result;
use crate::explainable::ImageAttention;
use crate::maps::{FixedQueryMaps, Maps, MarkedToken};
use crate::method::{Diagnostics, Explained, Meaning, Method, MethodContext, MethodFacts, Registered};
use crate::needs::Needs;
use crate::shared::SharedSettings;

/// The rows of chosen tokens, in every layer and head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FixedQueryConfig {
    /// How heads become one.
    pub fusion: HeadFusion,
    /// Whether the token of the largest attribution, by input times gradient, is a query, too.
    pub largest_attribution: bool,
    /// Tokens besides the centre and the four corners.
    pub tokens: Vec<usize>,
}

impl Default for FixedQueryConfig {
    /// The centre, the corners and the token of the largest attribution, heads averaged.
    fn default() -> Self {
        Self { fusion: HeadFusion::Mean, largest_attribution: true, tokens: Vec::new() }
    }
}

impl Registered for FixedQueryConfig {
    const FACTS: MethodFacts = MethodFacts {
        name: "fixed-query",
        title: "Fixed-query maps",
        meaning: Meaning {
            shows: "where chosen tokens look, the same places in every image",
            does_not_show: "that these tokens matter to the prediction; corners are mostly background",
        },
        needs: Needs::Attention,
        reads: &[],
        draws: false,
        is_scored: false,
        is_control: false,
    };
}

#[derive(Debug, Serialize)]
struct FixedQueryDiagnostics {
    checks: Vec<AttentionCheck>,
    queries: Vec<MarkedToken>,
    layers: Vec<MatrixStatistics>,
}

impl Diagnostics for FixedQueryDiagnostics {}

impl Method for FixedQueryConfig {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn validate_against(&self, _shared: &SharedSettings, at: &Circumstances) -> Result<(), InvalidSetting> {
        for (place, &token) in self.tokens.iter().enumerate() {
            require(
                &format!("{}.tokens.{place}", Self::FACTS.name),
                token < at.tokens,
                || token.to_string(),
                &format!("one of the {} tokens of an image, 0 to {}", at.tokens, at.tokens.saturating_sub(1)),
            )?;
        }
        Ok(())
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let traced = at.attention()?;
        let queries = self.marked_tokens(at, traced)?;
        let tokens: Vec<usize> = queries.iter().map(|query| query.token).collect();
        let layers = traced.layers.iter().map(|layer| fixed_query_maps(layer, &tokens, self.fusion));
        let layers = layers.collect::<Result<Vec<_>, ExplainError>>()?;
        let fused: Vec<AttentionStatistics> =
            traced.layers.iter().map(|layer| AttentionStatistics::of(&layer.fused(self.fusion))).collect();
        let mut warnings = check_warnings(traced);
        for (index, of_layer) in fused.iter().enumerate() {
            warnings.extend(flat_warning(index, of_layer));
        }
        let diagnostics = FixedQueryDiagnostics {
            checks: traced.checks.clone(),
            queries: queries.clone(),
            layers: fused.iter().map(MatrixStatistics::from).collect(),
        };
        let mean_rows = traced.layers.iter().map(|layer| layer.fused(self.fusion).mean_row()).collect();
        Ok(Explained {
            maps: Maps::FixedQueries(FixedQueryMaps { grid: traced.grid, queries, layers, mean_rows }),
            diagnostics: Box::new(diagnostics),
            warnings,
            evidence: Vec::new(),
        })
    }

    fn budgeted(&self, _budget: &Budget) -> Box<dyn Method> {
        Box::new(self.clone())
    }
}

impl FixedQueryConfig {
    /// The tokens to show: centre, corners, those of the config, and the one of the largest attribution; each once.
    fn marked_tokens(&self, at: &MethodContext<'_>, traced: &ImageAttention) -> Result<Vec<MarkedToken>> {
        let fixed = fixed_query_positions(traced.grid)?;
        let mut named: Vec<(usize, &str)> = fixed.into_iter().map(|query| (query.token, query.place)).collect();
        named.extend(self.tokens.iter().map(|&token| (token, "chosen")));
        if self.largest_attribution {
            let attribution = input_times_gradient(&at.differentiable(), at.image, at.target(), &at.execution)?;
            named.push((token_of_largest_attribution(&attribution, traced.grid)?, "largest attribution"));
        }
        let tokens = traced.grid.tokens()?;
        let mut marked: Vec<MarkedToken> = Vec::new();
        for (token, reason) in named {
            if token >= tokens {
                let name = Self::FACTS.name;
                return Err(UsageError(format!("{name}: there is no token {token}, an image has {tokens}")).into());
            }
            match marked.iter_mut().find(|mark| mark.token == token) {
                Some(mark) => mark.reason = format!("{}, {reason}", mark.reason),
                None => marked.push(MarkedToken { token, reason: reason.to_owned() }),
            }
        }
        Ok(marked)
    }
}
