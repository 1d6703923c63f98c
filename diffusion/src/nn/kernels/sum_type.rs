//! The float type that sums are computed in.

use burn::tensor::DType;

/// Chooses the type for sums over values of a type: f32, because half precision loses their digits; f64 stays.
pub fn sum_type(values: DType) -> DType {
    match values {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}
