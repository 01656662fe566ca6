use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use tinylsa_settings::UsageError;
use tinylsa_settings::printable;

/// An explanation method. Its name, in kebab-case, is the same on the command line, in configs, files and tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    SelfAttention,
    MultiHeadAttention,
    AttentionRollout,
    GradientRollout,
    AttentionFlow,
    FixedQuery,
    IntegratedGradients,
    ExpectedGradients,
    SmoothGrad,
    InputGradient,
    InputTimesGradient,
    ExactShapley,
    KernelShap,
    PermutationShap,
    Lime,
}

/// What a method looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The attention of the layers, on the grid of tokens.
    Attention,
    /// Gradients of the class's logit, pixel by pixel.
    Gradients,
    /// The class's logit with segments shown and hidden.
    Segments,
}

impl Method {
    pub const ALL: [Self; 15] = [
        Self::SelfAttention,
        Self::MultiHeadAttention,
        Self::AttentionRollout,
        Self::GradientRollout,
        Self::AttentionFlow,
        Self::FixedQuery,
        Self::IntegratedGradients,
        Self::ExpectedGradients,
        Self::SmoothGrad,
        Self::InputGradient,
        Self::InputTimesGradient,
        Self::ExactShapley,
        Self::KernelShap,
        Self::PermutationShap,
        Self::Lime,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::SelfAttention => "self-attention",
            Self::MultiHeadAttention => "multi-head-attention",
            Self::AttentionRollout => "attention-rollout",
            Self::GradientRollout => "gradient-rollout",
            Self::AttentionFlow => "attention-flow",
            Self::FixedQuery => "fixed-query",
            Self::IntegratedGradients => "integrated-gradients",
            Self::ExpectedGradients => "expected-gradients",
            Self::SmoothGrad => "smooth-grad",
            Self::InputGradient => "input-gradient",
            Self::InputTimesGradient => "input-times-gradient",
            Self::ExactShapley => "exact-shapley",
            Self::KernelShap => "kernel-shap",
            Self::PermutationShap => "permutation-shap",
            Self::Lime => "lime",
        }
    }

    /// The name as people write it.
    pub fn title(self) -> &'static str {
        match self {
            Self::SelfAttention => "Self-attention",
            Self::MultiHeadAttention => "Multi-head attention",
            Self::AttentionRollout => "Attention rollout",
            Self::GradientRollout => "Gradient-weighted rollout",
            Self::AttentionFlow => "Attention flow",
            Self::FixedQuery => "Fixed-query maps",
            Self::IntegratedGradients => "Integrated Gradients",
            Self::ExpectedGradients => "Expected gradients (GradientSHAP)",
            Self::SmoothGrad => "SmoothGrad",
            Self::InputGradient => "Gradient",
            Self::InputTimesGradient => "Input × gradient",
            Self::ExactShapley => "Exact Shapley values",
            Self::KernelShap => "KernelSHAP",
            Self::PermutationShap => "Permutation SHAP",
            Self::Lime => "LIME",
        }
    }

    /// The name of its drawing.
    pub fn file_name(self) -> String {
        format!("{}.png", self.name())
    }

    /// Whether its result depends on random draws, apart from those of a baseline or of what stands in for hidden parts.
    pub fn draws(self) -> bool {
        match self {
            Self::ExpectedGradients | Self::SmoothGrad | Self::KernelShap | Self::PermutationShap | Self::Lime => true,
            Self::SelfAttention
            | Self::MultiHeadAttention
            | Self::AttentionRollout
            | Self::GradientRollout
            | Self::AttentionFlow
            | Self::FixedQuery
            | Self::IntegratedGradients
            | Self::InputGradient
            | Self::InputTimesGradient
            | Self::ExactShapley => false,
        }
    }

    pub fn family(self) -> Family {
        match self {
            Self::SelfAttention
            | Self::MultiHeadAttention
            | Self::AttentionRollout
            | Self::GradientRollout
            | Self::AttentionFlow
            | Self::FixedQuery => Family::Attention,
            Self::IntegratedGradients
            | Self::ExpectedGradients
            | Self::SmoothGrad
            | Self::InputGradient
            | Self::InputTimesGradient => Family::Gradients,
            Self::ExactShapley | Self::KernelShap | Self::PermutationShap | Self::Lime => Family::Segments,
        }
    }

    /// The methods that a list of names asks for, `all` among them, each once and in the order of [`Method::ALL`].
    ///
    /// # Errors
    /// [`UsageError`] with the nearest name for one that is none, and for an empty list.
    pub fn chosen(names: &[String]) -> Result<Vec<Self>, UsageError> {
        if names.iter().any(|name| name == ALL_METHODS) {
            return Ok(Self::ALL.to_vec());
        }
        let mut methods = names.iter().map(|name| name.parse()).collect::<Result<Vec<Self>, _>>()?;
        if methods.is_empty() {
            return Err(UsageError("the list of methods is empty, expected at least one, or all".to_owned()));
        }
        methods.sort_unstable();
        methods.dedup();
        Ok(methods)
    }
}

/// Stands for every method in a list of names.
pub const ALL_METHODS: &str = "all";

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = UsageError;

    fn from_str(name: &str) -> Result<Self, UsageError> {
        let names = || Self::ALL.iter().map(|method| method.name()).chain([ALL_METHODS]);
        Self::ALL.into_iter().find(|method| method.name() == name).ok_or_else(|| {
            let asked = name.to_lowercase();
            let likeness = |known: &str| strsim::jaro_winkler(known, &asked);
            let nearest = names().max_by(|left, right| likeness(left).total_cmp(&likeness(right)));
            let list: Vec<&str> = names().collect();
            UsageError(format!(
                "unknown method {}, did you mean {}? The methods are {}",
                printable(name),
                nearest.unwrap_or_default(),
                list.join(", ")
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_are_those_of_configs() {
        for method in Method::ALL {
            assert_eq!(method.name().parse::<Method>().unwrap(), method);
            assert_eq!(serde_json::to_value(method).unwrap(), method.name());
        }
    }

    #[test]
    fn a_list_names_methods_once_and_in_order() {
        let chosen = |names: &[&str]| Method::chosen(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(chosen(&["lime", "fixed-query", "lime"]).unwrap(), [Method::FixedQuery, Method::Lime]);
        assert_eq!(chosen(&["lime", "all"]).unwrap(), Method::ALL);
        let error = chosen(&["kernelshap"]).unwrap_err().to_string();
        assert!(error.contains("did you mean kernel-shap?"), "{error}");
        for (asked, meant) in [
            ("LIME", "lime"),
            ("Lime", "lime"),
            ("KernelSHAP", "kernel-shap"),
            ("SmoothGrad", "smooth-grad"),
            ("ALL", "all"),
        ] {
            let error = chosen(&[asked]).unwrap_err().to_string();
            assert!(error.contains(&format!("unknown method {asked}, did you mean {meant}?")), "{error}");
        }
        let hostile = chosen(&["\u{1b}[2J"]).unwrap_err().to_string();
        assert!(!hostile.contains('\u{1b}'), "{hostile}");
        assert!(chosen(&[]).is_err());
    }
}
