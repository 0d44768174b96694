//! The tables by which the processor finds what handles an interrupt, and the entry stubs that
//! they lead to.
//!
//! Interrupts and exceptions have stacks of their own: the ready-made `core` keeps data below the
//! stack pointer (the red zone), where an interrupt on the same stack would write. What an
//! interrupt means is not known here.

use core::arch::{asm, global_asm};

use super::shared::Shared;

/// Exceptions, before the lines of the interrupt controllers.
pub(crate) const EXCEPTIONS: usize = 32;
/// With the 16 lines.
const VECTORS: usize = EXCEPTIONS + 16;
/// Distance of the entry stubs below, in bytes.
const STUB: usize = 16;
const CODE_SEGMENT: u16 = 0x08;
const TASK_SEGMENT: u16 = 0x18;
/// In bytes.
const STACK: usize = 8192;
/// Which of the two stacks is whose; the processor counts them from 1.
const STACK_OF_LINES: u64 = 1;
const STACK_OF_EXCEPTIONS: u64 = 2;

global_asm!(
    r#"
    .section .text.interrupts, "ax"
    .balign 16
    interrupt_stubs:
    .set vector, 0
    .rept 48
    .balign 16
    .if (0x60227d00 >> vector) & 1  // 8, 10-14, 17, 21, 29, 30 bring an error code
    .else
    push 0
    .endif
    push vector
    jmp interrupt_common
    .set vector, vector + 1
    .endr

    interrupt_common:
    push rax
    push rcx
    push rdx
    push rsi
    push rdi
    push r8
    push r9
    push r10
    push r11
    mov rdi, rsp
    sub rsp, 512                    // the stack is aligned to 16 here
    fxsave64 [rsp]
    cld
    call interrupt
    fxrstor64 [rsp]
    add rsp, 512
    pop r11
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rax
    add rsp, 16
    iretq
    "#
);

unsafe extern "C" {
    static interrupt_stubs: u8;
}

/// What the stubs above leave on the stack.
#[repr(C)]
pub(crate) struct Frame {
    registers: [u64; 9],
    pub(crate) vector: u64,
    pub(crate) error: u64,
    pub(crate) instruction: u64,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Gate {
    low: u64,
    high: u64,
}

#[repr(C, align(16))]
struct Stack([u8; STACK]);

/// The task state, of which only the interrupt stacks are used.
#[repr(C, packed(4))]
struct TaskState {
    reserved: u32,
    privilege_stacks: [u64; 3],
    reserved_too: u64,
    interrupt_stacks: [u64; 7],
    reserved_again: u64,
    reserved_at_last: u16,
    port_map: u16,
}

#[repr(C, packed(2))]
struct TablePointer {
    limit: u16,
    address: u64,
}

const TASK_SIZE: usize = size_of::<TaskState>();

static GATES: Shared<[Gate; VECTORS]> = Shared::new([Gate { low: 0, high: 0 }; VECTORS]);
static SEGMENTS: Shared<[u64; 5]> = Shared::new([0; 5]);
static STACKS: Shared<[Stack; 2]> = Shared::new([const { Stack([0; STACK]) }; 2]);
static TASK: Shared<TaskState> = Shared::new(TaskState {
    reserved: 0,
    privilege_stacks: [0; 3],
    reserved_too: 0,
    interrupt_stacks: [0; 7],
    reserved_again: 0,
    reserved_at_last: 0,
    port_map: 0,
});

/// Fills the tables and hands them to the processor. The stubs call the function `interrupt`.
pub(crate) fn load() {
    fill_segments();
    fill_gates();
    // SAFETY: the tables are complete, and static. The new segments 0x08 and 0x10 are those that
    // are in use, and 0x18 describes `TASK`.
    unsafe {
        asm!("lgdt [{}]", "ltr {:x}", in(reg) &pointer(&SEGMENTS), in(reg) TASK_SEGMENT);
        asm!("lidt [{}]", in(reg) &pointer(&GATES));
    }
}

fn pointer<T>(table: &Shared<T>) -> TablePointer {
    TablePointer { limit: (size_of::<T>() - 1) as u16, address: table.get().addr() as u64 }
}

/// The boot segments once more, and the task's descriptor, which spreads its address over four
/// fields.
fn fill_segments() {
    let stacks = STACKS.get().addr() as u64;
    let task = TASK.get().addr() as u64;
    let low = (task & 0xff_ffff) << 16 | (task >> 24 & 0xff) << 56;
    let available_task = 0x89 << 40 | (TASK_SIZE as u64 - 1);
    let segments =
        [0, 0x00af_9a00_0000_ffff, 0x00cf_9200_0000_ffff, low | available_task, task >> 32];
    // SAFETY: interrupts are off and the processor does not use these tables yet, so nothing else
    // refers to them.
    unsafe {
        SEGMENTS.get().write(segments);
        let tops = [stacks + STACK as u64, stacks + 2 * STACK as u64, 0, 0, 0, 0, 0];
        (&raw mut (*TASK.get()).interrupt_stacks).write_unaligned(tops);
        (&raw mut (*TASK.get()).port_map).write_unaligned(TASK_SIZE as u16);
    }
}

fn fill_gates() {
    let stubs = (&raw const interrupt_stubs).addr();
    let gates = core::array::from_fn(|vector| {
        let stack = if vector < EXCEPTIONS { STACK_OF_EXCEPTIONS } else { STACK_OF_LINES };
        gate((stubs + vector * STUB) as u64, stack)
    });
    // SAFETY: interrupts are off and the processor does not use this table yet, so nothing else
    // refers to it.
    unsafe { GATES.get().write(gates) };
}

/// An interrupt gate: present, of the kernel, interrupts off while it is handled.
fn gate(handler: u64, stack: u64) -> Gate {
    let segment = u64::from(CODE_SEGMENT) << 16;
    let kind = 0x8e << 40 | stack << 32;
    Gate {
        low: (handler & 0xffff) | segment | kind | (handler >> 16 & 0xffff) << 48,
        high: handler >> 32,
    }
}
