//! Explanations of image classifiers: run, drawn, scored and ranked.
//!
//! The crate `tinylsa-xai` has every explanation method as a function. This crate makes a product of them: methods are
//! values that a config file can name ([`Method`], [`MethodId`]), an [`Explainer`] runs them on images, [`draw`] makes
//! figures of what they found, [`Scoring`](scores::Scoring) measures which of them to believe, and [`write_image`] leaves a
//! folder with all of it.
//!
//! A model is anything that implements [`Explainable`]: scores are enough for most methods, and any function from images
//! to scores will do ([`FromFunction`]).
//!
//! ```
//! use burn::tensor::Tensor;
//! use tinylsa_explain::{
//!     Background, ExplainConfig, Explainer, FromFunction, ImageToExplain, MethodId, Request,
//! };
//! use tinylsa_xai::{Execution, KernelShapConfig, Image};
//!
//! // A model of two classes that looks at the left and at the right half of a grey image.
//! let model = FromFunction(|images: Tensor<4>| {
//!     let [batch, _, _, width] = images.dims();
//!     let half = |start| images.clone().narrow(3, start, width / 2).flatten::<2>(1, 3).mean_dim(1);
//!     Tensor::cat(vec![half(0), half(width / 2)], 1).reshape([batch, 2])
//! });
//! let image = Image::new([[1.0; 4], [0.0; 4]].concat().repeat(8), [1, 8, 8])?;
//!
//! let config = ExplainConfig::default().with(KernelShapConfig { evaluations: 64, ..Default::default() });
//! let (background, execution) = (Background::default(), Execution::default());
//! let explainer = Explainer { model: &model, config: &config, background: &background, execution };
//! let names = ["left".to_owned(), "right".to_owned()];
//! let methods = [MethodId::named("input-gradient").unwrap(), MethodId::named("kernel-shap").unwrap()];
//! let request = Request::new(&methods, &names);
//! let explanation = explainer.explain(ImageToExplain::new("bar", image), &request)?;
//!
//! assert_eq!(explanation.predicted, 0);
//! for method in &explanation.methods {
//!     println!("{}: {:?}", method.method.title(), method.sentences);
//! }
//! let drawings = tinylsa_explain::draw(&explanation, &Default::default())?;
//! assert_eq!(drawings.len(), 1 + methods.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Adding a method
//!
//! A method is a file in `methods/`: its settings as a struct, what it needs and means as [`MethodFacts`], and how it
//! explains as [`Method::explain`]. A line of the list in `methods/mod.rs` makes it known to configs, the command line, figures, scores
//! and pages, all of which go by the kind of its [`Maps`] and never by its name.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod background;
mod budget;
mod cascade;
mod circumstances;
mod classifier;
mod config;
mod digest;
mod directory;
mod drawing;
mod error;
mod explainable;
mod explainer;
mod explanation;
mod files;
mod maps;
mod method;
mod methods;
mod names;
mod needs;
#[cfg(feature = "networks")]
mod networks;
pub mod page;
mod part;
mod registry;
pub mod scores;
mod shared;
mod tinycnn_lsa;

pub use background::{Background, noise_background};
pub use budget::Budget;
pub use circumstances::Circumstances;
pub use classifier::{ExplainedClassifier, TappedForward};
pub use config::{ExplainConfig, ImageChoice, RerunConfig, ScoresConfig};
pub use digest::ExplanationsDigest;
pub use directory::ImageDirectory;
pub use drawing::{NamedDrawing, Scaling, draw, models_side_by_side, shown_beside, side_by_side, verdict};
pub use error::{ExplanationError, Result};
pub use explainable::{
    AttentionFacts, AttentionSource, EvidenceSource, Explainable, FeatureMaps, FromFunction, ImageAttention,
    RandomisedModel, TokenEvidence,
};
pub use explainer::{ExplainProgress, Explainer, ImageToExplain, Request, RequestedClass, Unwatched, execution};
pub use explanation::{ImageExplanation, MethodExplanation, Source};
pub use files::{Origin, WrittenImage, attributions_file, diagnostics_file, write_image};
pub use maps::{
    AttentionLayer, AttentionMaps, AttentionMatrix, AttentionView, Elements, FixedQueryMaps, FlowMap, Maps,
    MarkedToken, NamedTensor, PixelMap, Quantity, RolloutMaps, ScoreDifference, SegmentMap,
};
pub use method::{Diagnostics, Explained, Meaning, Method, MethodContext, MethodFacts, Registered, SharedSetting};
pub use methods::{
    ClassEvidence, FixedQueryConfig, GradientRollout, GridShapleyConfig, InputGradient, InputTimesGradient,
    MultiHeadAttention, SelfAttention,
};
pub use names::{class_of, names_of_files};
pub use needs::{Given, Needs};
#[cfg(feature = "networks")]
pub use networks::explained;
pub use part::ImagePart;
pub use registry::{ALL_METHODS, MethodId};
pub use shared::{BackgroundConfig, SharedSettings};
pub use tinycnn_lsa::ExplainedTinyCnnLsa;

/// The example of the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
