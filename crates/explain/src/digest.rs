use tinylsa_system::sha256_hex;

/// The digest of explanations: of every `attributions.safetensors` in the order of the images, and of their scores.
#[derive(Clone, Debug, Default)]
pub struct ExplanationsDigest {
    lines: Vec<String>,
}

impl ExplanationsDigest {
    /// Takes in an image by the SHA-256 of its `attributions.safetensors`.
    pub fn image(&mut self, id: &str, attributions: &str) {
        self.lines.push(format!("{id} {attributions}"));
    }

    /// Takes in the bytes of `scores.json`.
    pub fn scores(&mut self, bytes: &[u8]) {
        self.lines.push(format!("scores {}", sha256_hex(bytes)));
    }

    /// SHA-256 of all of it.
    pub fn finish(self) -> String {
        sha256_hex(self.lines.join("\n").as_bytes())
    }
}
