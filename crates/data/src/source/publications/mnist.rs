//! Handwritten digits (`LeCun`, Cortes and Burges 1998, "The MNIST database of handwritten digits").

use crate::source::publication::{Publication, SourceFile};

/// The four files, as TensorFlow and PyTorch distribute them. The checksums of what they unpack to are those that many
/// public repositories pin.
pub const MNIST: Publication = Publication {
    id: "mnist",
    title: "MNIST",
    class_names: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    page: "https://storage.googleapis.com/cvdf-datasets/mnist/",
    base_urls: &[
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ],
    directory: "datasets/mnist",
    directory_variable: None,
    torchvision: "MNIST/raw",
    files: [
        SourceFile {
            name: "train-images-idx3-ubyte.gz",
            bytes: 9_912_422,
            sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            content_bytes: 47_040_016,
            content_sha256: Some("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        },
        SourceFile {
            name: "train-labels-idx1-ubyte.gz",
            bytes: 28_881,
            sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            content_bytes: 60_008,
            content_sha256: Some("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        },
        SourceFile {
            name: "t10k-images-idx3-ubyte.gz",
            bytes: 1_648_877,
            sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            content_bytes: 7_840_016,
            content_sha256: Some("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        },
        SourceFile {
            name: "t10k-labels-idx1-ubyte.gz",
            bytes: 4_542,
            sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            content_bytes: 10_008,
            content_sha256: Some("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        },
    ],
};
