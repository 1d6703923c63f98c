//! What happens when a device's memory ends.

use burn::tensor::{DType, Device, Tensor};
use mitune_diffusion::device::{probe, quietly};
use serde::Serialize;

/// Elements of one piece: 1 GiB in f32.
const PIECE: usize = 1 << 28;
/// Pieces that no device of today holds.
const MOST_PIECES: usize = 1024;

/// What happened.
#[derive(Clone, Debug, Serialize)]
pub struct MemoryReport {
    /// Memory that was had before the device refused.
    pub allocated_bytes: u64,
    /// What the device said; none if it never refused.
    pub refusal: Option<String>,
    /// What the device said when it was used again after everything was freed; none if it computed.
    pub broken: Option<String>,
}

impl MemoryReport {
    pub(super) fn passed(&self) -> bool {
        self.refusal.is_some() && self.broken.is_none()
    }
}

/// Fills the memory of a device piece by piece, frees it and computes again.
///
/// Every piece is written and waited for, because a reservation alone costs nothing.
pub(super) fn exhaust(device: &Device) -> MemoryReport {
    let mut pieces: Vec<Tensor<1>> = Vec::new();
    let mut refusal = None;
    while refusal.is_none() && pieces.len() < MOST_PIECES {
        let piece = quietly(|| {
            let piece = Tensor::<1>::full([PIECE], 1.0, (device, DType::F32));
            let last = piece.clone().narrow(0, PIECE - 1, 1);
            let read: Result<Vec<f32>, _> = last.try_into_vec_as();
            read.map(|_| piece).map_err(|error| error.to_string())
        });
        match piece.and_then(|piece| piece) {
            Ok(piece) => pieces.push(piece),
            Err(reason) => refusal = Some(reason),
        }
    }
    let allocated_bytes = (pieces.len() * PIECE * size_of::<f32>()) as u64;
    drop(pieces);
    let again = quietly(|| {
        device.memory_cleanup();
        probe(device)
    });
    MemoryReport {
        allocated_bytes,
        refusal,
        broken: again.and_then(|result| result).err(),
    }
}
