//! A network as a file: its graph, and what is said of it.

use prost::Message;
use serde_json::{Value as Json, json};
use tinylsa_model::networks::{Network, NetworkConfig};
use tinylsa_model::{Classifier, ModelConfig, ModelFileError, ModelMetadata, require_sound, state_of};

use crate::error::OnnxError;
use crate::graph::GraphBuilder;
use crate::layers::{IMAGES, LOGITS};
use crate::networks::{AttentionOutput, Written, write};
use crate::proto::{ModelProto, OperatorSetIdProto, StringStringEntryProto};

/// The version of the set of operators that graphs are made of.
pub const OPSET: i64 = 18;
/// The version of the schema, which came out with [`OPSET`].
pub const IR_VERSION: i64 = 8;
/// Bytes that a protocol buffer may have.
const LIMIT: usize = i32::MAX as usize;

/// What a file holds beside the logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnnxOptions {
    /// Whether the attention of every layer is an output, and what each token says for each class, where the network has
    /// that. Linear attention then forms matrices that it would do without.
    pub attention: bool,
}

/// The bytes of an ONNX file that holds a network in evaluation. The same network, description and options give the same
/// bytes.
///
/// # Errors
/// [`OnnxError`] if the description is not that of the network, if a weight is not finite, if attention is asked for that
/// the network does not have, or if the file would be larger than an ONNX file can be.
pub fn to_onnx(
    network: &Network,
    metadata: &ModelMetadata<NetworkConfig>,
    options: OnnxOptions,
) -> Result<Vec<u8>, OnnxError> {
    let model = to_proto(network, metadata, options)?;
    let bytes = model.encoded_len();
    if bytes > LIMIT {
        return Err(OnnxError::Size { bytes, limit: LIMIT });
    }
    Ok(model.encode_to_vec())
}

/// The same as [`to_onnx`], as the messages that the file is made of.
///
/// # Errors
/// As [`to_onnx`].
pub fn to_proto(
    network: &Network,
    metadata: &ModelMetadata<NetworkConfig>,
    options: OnnxOptions,
) -> Result<ModelProto, OnnxError> {
    let config = network.config();
    metadata.validate()?;
    if &metadata.config != config {
        return Err(ModelFileError::OtherConfig.into());
    }
    let state = state_of(network);
    require_sound(&state)?;
    config.require_usable(&state)?;
    let mut graph = GraphBuilder::new(config.kind(), &state);
    let written = write(&mut graph, config, options.attention)?;
    let outputs = Outputs::of(&written, config.classes());
    if options.attention && outputs.attention.is_empty() && written.class_attention.is_none() {
        return Err(OnnxError::NoAttention { kind: config.kind() });
    }
    graph.output(&written.logits, &[config.classes()], "before any softmax, in the order of the class names");
    for Output { value, dims, about, .. } in outputs.attention.iter().chain(&outputs.of_classes) {
        if options.attention {
            graph.output(value, dims, about);
        }
    }
    let layers = if options.attention { outputs.described(&written) } else { Json::Null };
    Ok(ModelProto {
        ir_version: IR_VERSION,
        producer_name: "tinylsa".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: format!(
            "{}, a classifier of images of {} (channels × height × width) with values from 0 to 1",
            config.network_kind().title(),
            config.input()
        ),
        graph: Some(graph.finished()?),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: properties(metadata, &layers)?,
    })
}

/// A tensor that comes out.
struct Output<'a> {
    value: &'a crate::graph::Value,
    /// Without the images.
    dims: Vec<usize>,
    about: String,
    /// The block that it is of, if it is one of a block.
    block: Option<&'a str>,
}

/// What comes out beside the logits.
struct Outputs<'a> {
    attention: Vec<Output<'a>>,
    of_classes: Vec<Output<'a>>,
}

impl<'a> Outputs<'a> {
    fn of(written: &'a Written, classes: usize) -> Self {
        let of_layer = |output: &'a AttentionOutput| Output {
            value: &output.value,
            dims: vec![output.heads, output.tokens, output.tokens],
            about: format!("attention of {}: a matrix a head, a row a query, whose entries sum to 1", output.block),
            block: Some(output.block.as_str()),
        };
        let tokens: usize = written.grid.iter().product();
        let of_classes = |value: &'a Option<crate::graph::Value>, about: &str| {
            value.as_ref().map(|value| Output {
                value,
                dims: vec![classes, tokens],
                about: about.to_owned(),
                block: None,
            })
        };
        let counted = of_classes(&written.class_attention, "how much each class counts each token; rows sum to 1");
        let evidence = of_classes(
            &written.class_evidence,
            "what each token says for each class; rows sum to the logit less the bias of the class",
        );
        Self {
            attention: written.attention.iter().map(of_layer).collect(),
            of_classes: counted.into_iter().chain(evidence).collect(),
        }
    }

    /// Which tokens the outputs are about.
    fn described(&self, written: &Written) -> Json {
        let prefix = written.attention.first().map_or(0, |output| output.prefix);
        let blocks: Vec<Json> =
            self.attention.iter().map(|output| json!({"output": output.value.name(), "block": output.block})).collect();
        let of_classes: Vec<&str> = self.of_classes.iter().map(|output| output.value.name()).collect();
        let [rows, columns] = written.grid;
        json!({
            "tokens": {"prefix": prefix, "rows": rows, "columns": columns, "order": "row by row, behind the prefix"},
            "layers": blocks,
            "of_classes": of_classes,
        })
    }
}

/// Names and texts that say what the network is, each text JSON or a plain word.
fn properties(
    metadata: &ModelMetadata<NetworkConfig>,
    attention: &Json,
) -> Result<Vec<StringStringEntryProto>, OnnxError> {
    let config = &metadata.config;
    let [channels, height, width] = config.input().dims();
    let input = json!({
        "name": IMAGES,
        "shape": ["batch", channels, height, width],
        "order": "channels, rows, columns",
        "least": 0,
        "most": 1,
        "meaning": "0 is black; the mean and deviation of the training images are taken off inside the graph",
    });
    let output = json!({"name": LOGITS, "shape": ["batch", config.classes()]});
    let mut properties = vec![
        ("kind", config.kind().to_owned()),
        ("config", serde_json::to_string(config)?),
        ("class_names", serde_json::to_string(&metadata.class_names)?),
        ("dataset", metadata.dataset.clone()),
        ("input", input.to_string()),
        ("output", output.to_string()),
    ];
    if let Some(temperature) = metadata.temperature {
        properties.push(("temperature", temperature.to_string()));
    }
    if !attention.is_null() {
        properties.push(("attention", attention.to_string()));
    }
    let entry = |(key, value): (&str, String)| StringStringEntryProto { key: key.to_owned(), value };
    Ok(properties.into_iter().map(entry).collect())
}
