//! Photographs of garments (Xiao, Rasul and Vollgraf 2017, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
//! Learning Algorithms").

use crate::source::publication::{Publication, SourceFile};

/// The ten classes of Fashion-MNIST and of the synthetic garments, in the order of their labels.
pub const FASHION_MNIST_CLASSES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

/// The four files as published since 2017-08-31. Earlier copies hold duplicates of training images in the test split and
/// give higher accuracies.
pub const FASHION_MNIST: Publication = Publication {
    id: "fashion-mnist",
    title: "Fashion-MNIST",
    class_names: FASHION_MNIST_CLASSES,
    page: "https://github.com/zalandoresearch/fashion-mnist (data/fashion)",
    base_urls: &[
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
    ],
    directory: "datasets/fashion-mnist",
    directory_variable: Some("FASHION_MNIST_DIR"),
    torchvision: "FashionMNIST/raw",
    files: [
        SourceFile {
            name: "train-images-idx3-ubyte.gz",
            bytes: 26_421_880,
            sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            content_bytes: 47_040_016,
            content_sha256: Some("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
        },
        SourceFile {
            name: "train-labels-idx1-ubyte.gz",
            bytes: 29_515,
            sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            content_bytes: 60_008,
            content_sha256: Some("bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
        },
        SourceFile {
            name: "t10k-images-idx3-ubyte.gz",
            bytes: 4_422_102,
            sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            content_bytes: 7_840_016,
            content_sha256: Some("5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
        },
        SourceFile {
            name: "t10k-labels-idx1-ubyte.gz",
            bytes: 5_148,
            sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            content_bytes: 10_008,
            content_sha256: Some("0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        },
    ],
};
