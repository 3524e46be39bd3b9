//! The classic BPF machine (McCanne and Jacobson, "The BSD Packet Filter", 1993), for filters on
//! captures. libpcap compiles the text; running the program here keeps the length on the wire in
//! view (`greater 1000` is about the frame, not about what was kept of it) and needs no pointers.

use crate::base::limits;

/// One instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) jump_true: u8,
    pub(super) jump_false: u8,
    pub(super) k: u32,
}

/// A compiled filter.
#[derive(Debug, Clone, Default)]
pub(super) struct Program(pub(super) Vec<Instruction>);

impl Program {
    /// Whether the program accepts a frame of which `bytes` were kept of `wire`. A load outside of
    /// the kept bytes rejects the frame, as the machine is defined.
    pub(super) fn accepts(&self, bytes: &[u8], wire: u32) -> bool {
        self.run(bytes, wire).is_some_and(|kept| kept != 0)
    }

    fn run(&self, bytes: &[u8], wire: u32) -> Option<u32> {
        let (mut a, mut x) = (0u32, 0u32);
        let mut memory = [0u32; 16];
        let mut at = 0usize;
        // Programs for `protochain` jump backwards, so the number of steps is bounded as well.
        for _ in 0..limits::FILTER_STEPS_MAX {
            let Instruction { code, jump_true, jump_false, k } = *self.0.get(at)?;
            at += 1;
            match code & 7 {
                // LD
                0 => {
                    a = match code & 0xe0 {
                        0x00 => k,
                        0x20 => load(bytes, k, code & 0x18)?,
                        0x40 => load(bytes, x.checked_add(k)?, code & 0x18)?,
                        0x60 => *memory.get(k as usize)?,
                        0x80 => wire,
                        _ => return None,
                    }
                }
                // LDX
                1 => {
                    x = match code & 0xe0 {
                        0x00 => k,
                        0x60 => *memory.get(k as usize)?,
                        0x80 => wire,
                        // Four times the low nibble: the length of an IPv4 header.
                        0xa0 => (load(bytes, k, 0x10)? & 0xf) << 2,
                        _ => return None,
                    }
                }
                // ST, STX
                2 => *memory.get_mut(k as usize)? = a,
                3 => *memory.get_mut(k as usize)? = x,
                // ALU
                4 => {
                    let operand = if code & 8 == 0 { k } else { x };
                    a = match code & 0xf0 {
                        0x00 => a.wrapping_add(operand),
                        0x10 => a.wrapping_sub(operand),
                        0x20 => a.wrapping_mul(operand),
                        0x30 => a.checked_div(operand)?,
                        0x40 => a | operand,
                        0x50 => a & operand,
                        0x60 => a.checked_shl(operand).unwrap_or(0),
                        0x70 => a.checked_shr(operand).unwrap_or(0),
                        0x80 => a.wrapping_neg(),
                        0x90 => a.checked_rem(operand)?,
                        0xa0 => a ^ operand,
                        _ => return None,
                    }
                }
                // JMP
                5 => {
                    let operand = if code & 8 == 0 { k } else { x };
                    let taken = match code & 0xf0 {
                        0x00 => {
                            at = at.checked_add_signed(k.cast_signed() as isize)?;
                            continue;
                        }
                        0x10 => a == operand,
                        0x20 => a > operand,
                        0x30 => a >= operand,
                        0x40 => a & operand != 0,
                        _ => return None,
                    };
                    at += usize::from(if taken { jump_true } else { jump_false });
                }
                // RET
                6 => return Some(if code & 0x18 == 0x10 { a } else { k }),
                // MISC
                _ => match code & 0xf8 {
                    0x00 => x = a,
                    0x80 => a = x,
                    _ => return None,
                },
            }
        }
        None
    }
}

/// Loads a word, half word or byte.
#[inline]
fn load(bytes: &[u8], at: u32, size: u16) -> Option<u32> {
    let rest = bytes.get(at as usize..)?;
    match size {
        0x00 => rest.first_chunk().map(|b| u32::from_be_bytes(*b)),
        0x08 => rest.first_chunk().map(|b| u32::from(u16::from_be_bytes(*b))),
        0x10 => rest.first().map(|b| u32::from(*b)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(code: &[(u16, u8, u8, u32)]) -> Program {
        Program(
            code.iter()
                .map(|&(code, jump_true, jump_false, k)| Instruction { code, jump_true, jump_false, k })
                .collect(),
        )
    }

    #[test]
    fn loads_compares_and_returns() {
        // ldh [12]; jeq #0x800, 0, 1; ret #65535; ret #0
        let ip = program(&[(0x28, 0, 0, 12), (0x15, 0, 1, 0x800), (0x06, 0, 0, 65_535), (0x06, 0, 0, 0)]);
        let mut frame = [0; 14];
        assert!(!ip.accepts(&frame, 14));
        frame[12] = 8;
        assert!(ip.accepts(&frame, 14));
        assert!(!ip.accepts(&frame[..13], 14), "a load outside of the frame rejects it");
    }

    #[test]
    fn the_length_is_that_on_the_wire() {
        // ld #len; jgt #1000, 0, 1; ret #1; ret #0
        let long = program(&[(0x80, 0, 0, 0), (0x25, 0, 1, 1000), (0x06, 0, 0, 1), (0x06, 0, 0, 0)]);
        assert!(long.accepts(&[0; 10], 1001));
        assert!(!long.accepts(&[0; 10], 1000));
    }

    #[test]
    fn a_loop_ends_and_a_jump_out_of_the_program_rejects() {
        assert!(!program(&[(0x05, 0, 0, u32::MAX)]).accepts(&[], 0));
        assert!(!program(&[(0x05, 0, 0, 1 << 31)]).accepts(&[], 0));
        assert!(!program(&[(0x15, 9, 9, 0)]).accepts(&[], 0));
        assert!(!program(&[(0x34, 0, 0, 0)]).accepts(&[], 0), "division by zero");
        assert!(!program(&[(0x60, 0, 0, 16)]).accepts(&[], 0), "memory beyond the last cell");
        assert!(!program(&[]).accepts(&[], 0));
    }
}
