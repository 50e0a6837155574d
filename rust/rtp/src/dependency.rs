//! The dependency descriptor (AV1 RTP specification, appendix A): which layer a frame is of, what it needs, and what can be
//! decoded from it on. It travels as a header extension beside any codec, so that a forwarder need not look into payloads.
//!
//! What repeats is said once, with a key frame, as a [`Structure`] of templates; a frame names its template.

use crate::bits::{BitWriter, Bits};
use crate::{Malformed, NoRoom};

/// Templates at most (A.8.2).
const MOST_TEMPLATES: usize = 64;
/// Decode targets at most: a field of five bits.
const MOST_TARGETS: usize = 32;
/// Layers each way that the format can name.
const SPATIAL: u8 = 4;
const TEMPORAL: u8 = 8;
/// Bits of the fields every descriptor has, and of the flags that say which others follow.
const MANDATORY: usize = 24;
const FLAGS: usize = 5;

/// What a frame is without more words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// Its spatial layer, 0 the smallest.
    pub spatial: u8,
    /// Its temporal layer, 0 the slowest.
    pub temporal: u8,
    /// Decode targets it is part of, as bits.
    pub present: u32,
    /// Decode targets of which everything from here on can be decoded if this frame can: places to switch up.
    pub switches: u32,
    /// The frames it needs: bit n is the frame whose number is n + 1 less.
    pub needs: u64,
    /// It needs one that is further back than that.
    pub needs_older: bool,
}

/// What holds for all frames until the next structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    offset: u8,
    chains: u32,
    templates: Vec<Template>,
    /// The highest layers of each decode target: spatial, temporal.
    targets: Vec<(u8, u8)>,
}

impl Structure {
    /// The decode targets in their order: the spatial and temporal layer up to which each reaches.
    pub fn targets(&self) -> &[(u8, u8)] {
        &self.targets
    }

    fn parse(bits: &mut Bits<'_>) -> Result<Structure, Malformed> {
        let offset = bits.read(6)? as u8;
        let count = bits.read(5)? as usize + 1;
        let mut templates = layers(bits)?;
        for template in &mut templates {
            for target in 0..count {
                template.indicate(target, bits.read(2)?);
            }
        }
        for template in &mut templates {
            while bits.flag()? {
                template.need(bits.read(4)?);
            }
        }
        let chains = bits.one_of(count as u32 + 1)?;
        if chains > 0 {
            for _ in 0..count {
                bits.one_of(chains)?;
            }
            for _ in 0..templates.len() {
                for _ in 0..chains {
                    bits.read(4)?;
                }
            }
        }
        if bits.flag()? {
            let spatial = templates.last().map_or(0, |last| last.spatial + 1);
            for _ in 0..spatial {
                bits.read(32)?;
            }
        }
        let target = |target: usize| {
            let parts = templates
                .iter()
                .filter(|template| template.present >> target & 1 == 1);
            parts.fold((0, 0), |(spatial, temporal), part| {
                (part.spatial.max(spatial), part.temporal.max(temporal))
            })
        };
        let targets = (0..count).map(target).collect();
        Ok(Structure {
            offset,
            chains,
            templates,
            targets,
        })
    }
}

/// The layer of each template (A.8.3, template_layers).
fn layers(bits: &mut Bits<'_>) -> Result<Vec<Template>, Malformed> {
    let (mut spatial, mut temporal) = (0, 0);
    let mut templates = Vec::new();
    loop {
        if templates.len() == MOST_TEMPLATES {
            return Err(Malformed::Format);
        }
        templates.push(Template {
            spatial,
            temporal,
            present: 0,
            switches: 0,
            needs: 0,
            needs_older: false,
        });
        match bits.read(2)? {
            0 => {}
            1 => temporal += 1,
            2 => (spatial, temporal) = (spatial + 1, 0),
            _ => return Ok(templates),
        }
        if spatial == SPATIAL || temporal == TEMPORAL {
            return Err(Malformed::Format);
        }
    }
}

impl Template {
    /// Takes a decode target indication: not present, discardable, switch, required.
    fn indicate(&mut self, target: usize, indication: u32) {
        let bit = 1 << target;
        self.present = self.present & !bit | u32::from(indication != 0) << target;
        self.switches = self.switches & !bit | u32::from(indication == 2) << target;
    }

    /// Takes a frame difference, minus one.
    fn need(&mut self, less_one: u32) {
        match 1u64.checked_shl(less_one) {
            Some(bit) => self.needs |= bit,
            None => self.needs_older = true,
        }
    }
}

/// One packet's descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// The packet is the first of its frame: of one layer of a picture.
    pub begins: bool,
    /// The packet is the last of its frame.
    pub ends: bool,
    /// Counts frames of all layers.
    pub number: u16,
    /// What the frame is: its template, and what this descriptor says otherwise.
    pub frame: Template,
    /// The decode targets the sender still makes, if it says; else what was said before holds.
    pub active: Option<u32>,
    targets: usize,
    structure_ends: usize,
    active_ends: usize,
    ends_at: usize,
}

impl Descriptor {
    /// Reads the extension's data. `known` is the newest structure; one that comes with this descriptor replaces it.
    pub fn parse(
        data: &[u8],
        known: Option<&Structure>,
    ) -> Result<(Descriptor, Option<Structure>), Malformed> {
        let mut bits = Bits::new(data);
        let (begins, ends) = (bits.flag()?, bits.flag()?);
        let template = bits.read(6)? as u8;
        let number = bits.read(16)? as u16;
        let extended = data.len() * 8 > MANDATORY;
        let mut flag = || {
            if extended { bits.flag() } else { Ok(false) }
        };
        let (attached, has_active) = (flag()?, flag()?);
        let (indications, differences, chains) = (flag()?, flag()?, flag()?);
        let attached = attached.then(|| Structure::parse(&mut bits)).transpose()?;
        let structure_ends = bits.at;
        let structure = attached.as_ref().or(known).ok_or(Malformed::Format)?;
        let targets = structure.targets.len();
        let active = has_active.then(|| bits.read(targets)).transpose()?;
        let active_ends = bits.at;
        let index = template.wrapping_sub(structure.offset) & 0x3f;
        let mut frame = *structure
            .templates
            .get(usize::from(index))
            .ok_or(Malformed::Format)?;
        if indications {
            for target in 0..targets {
                frame.indicate(target, bits.read(2)?);
            }
        }
        if differences {
            (frame.needs, frame.needs_older) = (0, false);
            loop {
                let size = bits.read(2)? as usize;
                if size == 0 {
                    break;
                }
                frame.need(bits.read(4 * size)?);
            }
        }
        if chains {
            for _ in 0..structure.chains {
                bits.read(8)?;
            }
        }
        let descriptor = Descriptor {
            begins,
            ends,
            number,
            frame,
            active,
            targets,
            structure_ends,
            active_ends,
            ends_at: bits.at,
        };
        Ok((descriptor, attached))
    }

    /// Writes `data`, from which this was read, with another frame number and, where given, with these as the decode targets that
    /// are still active. Returns its length.
    pub fn rewrite(
        &self,
        data: &[u8],
        number: u16,
        active: Option<u32>,
        out: &mut [u8],
    ) -> Result<usize, NoRoom> {
        let Some(active) = active else {
            let out = out.get_mut(..data.len()).ok_or(NoRoom)?;
            out.copy_from_slice(data);
            out[1..3].copy_from_slice(&number.to_be_bytes());
            return Ok(data.len());
        };
        let active = self.active.unwrap_or(u32::MAX) & active;
        let mut old = Bits::new(data);
        let mut new = BitWriter::new(out);
        new.copy(&mut old, 8)?;
        new.write(u32::from(number), 16)?;
        old.at = MANDATORY;
        let flags = if self.ends_at > MANDATORY {
            old.read(FLAGS).map_err(|_| NoRoom)?
        } else {
            0
        };
        new.write(flags | 0b01000, FLAGS)?;
        new.copy(&mut old, self.structure_ends)?;
        new.write(active, self.targets)?;
        old.at = self.active_ends;
        new.copy(&mut old, self.ends_at)?;
        new.finish()
    }
}

const _: () = assert!(MOST_TARGETS <= u32::BITS as usize);
