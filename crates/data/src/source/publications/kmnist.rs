//! Cursive Japanese characters (Clanuwat et al. 2018, "Deep Learning for Classical Japanese Literature").

use crate::source::publication::{Publication, SourceFile};

/// The four files of Kuzushiji-MNIST. No checksum of what they unpack to is published, so that only the `.gz` files
/// themselves can be verified.
pub const KMNIST: Publication = Publication {
    id: "kmnist",
    title: "KMNIST",
    class_names: ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
    page: "https://codh.rois.ac.jp/kmnist/",
    base_urls: &["https://codh.rois.ac.jp/kmnist/dataset/kmnist/"],
    directory: "datasets/kmnist",
    directory_variable: None,
    torchvision: "KMNIST/raw",
    files: [
        SourceFile {
            name: "train-images-idx3-ubyte.gz",
            bytes: 18_165_135,
            sha256: "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            content_bytes: 47_040_016,
            content_sha256: None,
        },
        SourceFile {
            name: "train-labels-idx1-ubyte.gz",
            bytes: 29_497,
            sha256: "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            content_bytes: 60_008,
            content_sha256: None,
        },
        SourceFile {
            name: "t10k-images-idx3-ubyte.gz",
            bytes: 3_041_136,
            sha256: "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            content_bytes: 7_840_016,
            content_sha256: None,
        },
        SourceFile {
            name: "t10k-labels-idx1-ubyte.gz",
            bytes: 5_120,
            sha256: "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
            content_bytes: 10_008,
            content_sha256: None,
        },
    ],
};
