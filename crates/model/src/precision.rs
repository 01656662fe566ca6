use burn::tensor::f16;
use safetensors::tensor::Dtype;

/// How the numbers of a model file are stored. The network computes in 32 bits whatever the file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 32 bits (IEEE 754 binary32): what was trained, bit by bit.
    Single,
    /// 16 bits (IEEE 754 binary16): half the size. A weight between 6e-5 and 65 504 moves by at most 2⁻¹¹ of itself, a
    /// smaller one by at most 3e-8.
    Half,
}

impl Precision {
    pub(crate) fn of(element_type: Dtype) -> Option<Self> {
        match element_type {
            Dtype::F32 => Some(Self::Single),
            Dtype::F16 => Some(Self::Half),
            _ => None,
        }
    }

    pub(crate) fn element_type(self) -> Dtype {
        match self {
            Self::Single => Dtype::F32,
            Self::Half => Dtype::F16,
        }
    }

    /// The first finite value that would become infinite.
    pub(crate) fn first_beyond(self, values: &[f32]) -> Option<f32> {
        let overflows = |value: &f32| value.is_finite() && !f16::from_f32(*value).is_finite();
        values.iter().copied().find(|value| self == Self::Half && overflows(value))
    }

    /// Little-endian bytes, rounded to the nearest number that the precision has.
    pub(crate) fn encode(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::Single => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::Half => values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect(),
        }
    }

    pub(crate) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::Single => bytes.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)).collect(),
            Self::Half => bytes.as_chunks().0.iter().map(|&word| f16::from_le_bytes(word).to_f32()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_halves() {
        // IEEE 754-2019: 1, −2, the largest, the smallest normal and the smallest of all.
        let words = [0x3c00_u16, 0xc000, 0x7bff, 0x0400, 0x0001];
        let values = [1.0, -2.0, 65_504.0, 2.0_f32.powi(-14), 2.0_f32.powi(-24)];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(Precision::Half.decode(&bytes), values);
        assert_eq!(Precision::Half.encode(&values), bytes);
    }

    #[test]
    fn rounding_stays_within_what_is_promised() {
        let values: Vec<f32> =
            (0..4000).map(|step| 1.007_f32.powi(step - 2400) * 1.1).filter(|v| *v < 65_504.0).collect();
        let rounded = Precision::Half.decode(&Precision::Half.encode(&values));
        for (value, rounded) in values.iter().zip(rounded) {
            let bound = if *value >= 6.104e-5 { value * 2.0_f32.powi(-11) } else { 3e-8 };
            assert!((value - rounded).abs() <= bound, "{value} became {rounded}");
        }
    }

    #[test]
    fn only_half_a_precision_has_a_largest_weight() {
        let values = [f32::INFINITY, -65_504.0, 7e4];
        assert_eq!(Precision::Half.first_beyond(&values), Some(7e4));
        assert_eq!(Precision::Single.first_beyond(&values), None);
    }
}
