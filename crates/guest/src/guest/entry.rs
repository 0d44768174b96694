//! From the PVH entry to Rust: 32-bit protected mode without paging becomes long mode with SSE.
//!
//! The state at entry is that of Xen's "x86/HVM direct boot ABI": flat 32-bit segments, paging
//! off, `ebx` the physical address of the start info. The first GiB is mapped one to one; devices
//! are reached through ports only, so nothing above it is needed. The image's zeroed memory is
//! zeroed here once more, because a reboot need not load it anew.
//!
//! One SSE instruction is executed before anything else, although the compiler's own would follow:
//! a KVM that can only emulate instructions stops at it. So a guest that got as far as its first
//! line ran on a processor, or on an emulator that is meant to be one.

use core::arch::global_asm;

global_asm!(
    r#"
    .section .note.pvh, "a", @note
    .balign 4
    .long 4                         // length of the name
    .long 8                         // length of the value
    .long 18                        // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad pvh_entry

    .section .bss.pages, "aw", @nobits  // the linker script puts it at a page
    page_map:       .skip 4096      // level 4
    page_gigabytes: .skip 4096      // level 3
    page_table:     .skip 4096      // level 2: 512 pages of 2 MiB
                    .skip 32768
    stack_top:

    .section .rodata.gdt, "a"
    .balign 8
    boot_gdt:
    .quad 0
    .quad 0x00af9a000000ffff        // 0x08: 64-bit code
    .quad 0x00cf92000000ffff        // 0x10: data
    boot_gdt_pointer:
    .word boot_gdt_pointer - boot_gdt - 1
    .long boot_gdt

    .section .text.entry, "ax"
    .code32
    .globl pvh_entry
    pvh_entry:
    cld
    mov edi, offset bss_start
    mov ecx, offset bss_end
    sub ecx, edi
    shr ecx, 2
    xor eax, eax
    rep stosd

    mov eax, offset page_gigabytes
    or eax, 3                       // present, writable
    mov dword ptr [page_map], eax
    mov eax, offset page_table
    or eax, 3
    mov dword ptr [page_gigabytes], eax
    mov edi, offset page_table
    mov eax, 0x83                   // present, writable, 2 MiB
    mov ecx, 512
2:  mov dword ptr [edi], eax
    add eax, 0x200000
    add edi, 8
    dec ecx
    jnz 2b

    mov eax, cr4
    or eax, 0x620                   // PAE, OSFXSR, OSXMMEXCPT
    mov cr4, eax
    mov eax, offset page_map
    mov cr3, eax
    mov ecx, 0xc0000080             // EFER
    rdmsr
    or eax, 0x100                   // LME
    wrmsr
    mov eax, cr0
    and eax, 0xfffffff3             // EM and TS off: SSE without traps
    or eax, 0x80010003              // PG, WP, MP, PE
    mov cr0, eax
    lgdt [boot_gdt_pointer]
    mov esp, offset stack_top
    mov eax, 0x08
    push eax
    mov eax, offset long_mode
    push eax
    retf

    .code64
    long_mode:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov rsp, offset stack_top
    xor ebp, ebp
    mov edi, ebx
    xorps xmm0, xmm0                // see above
    call guest_main
    ud2
    "#
);
