// uint64_t nexus_enter_stack(void* top, uint64_t (*run)(void*), void* argument, void** savedStack)
//
// Calls run(argument) on the stack that ends at `top` (null: go on below the present one) and returns
// its result. *savedStack is what nexus_leave_stack needs to return from here instead: it may be used
// at any depth below, also from a signal handler that makes it the place where the thread continues.
// Only callee-saved integer registers are kept; the guest does not change floating-point control.
        .text
        .globl  nexus_enter_stack
        .hidden nexus_enter_stack
        .type   nexus_enter_stack, @function
nexus_enter_stack:
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset %rbp, -16
        movq    %rsp, %rbp
        .cfi_def_cfa_register %rbp
        pushq   %rbx
        .cfi_offset %rbx, -24
        pushq   %r12
        .cfi_offset %r12, -32
        pushq   %r13
        .cfi_offset %r13, -40
        pushq   %r14
        .cfi_offset %r14, -48
        pushq   %r15
        .cfi_offset %r15, -56
        movq    %rsp, (%rcx)
        testq   %rdi, %rdi
        cmovzq  %rsp, %rdi
        andq    $-16, %rdi
        movq    %rdi, %rsp
        movq    %rdx, %rdi
        callq   *%rsi
        leaq    -40(%rbp), %rsp
.Lreturn:
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        .cfi_def_cfa %rsp, 8
        retq
        .cfi_endproc
        .size   nexus_enter_stack, . - nexus_enter_stack

// [[noreturn]] void nexus_leave_stack(void* savedStack, uint64_t result)
        .globl  nexus_leave_stack
        .hidden nexus_leave_stack
        .type   nexus_leave_stack, @function
nexus_leave_stack:
        .cfi_startproc
        endbr64
        movq    %rdi, %rsp
        movq    %rsi, %rax
        jmp     .Lreturn
        .cfi_endproc
        .size   nexus_leave_stack, . - nexus_leave_stack

        .section .note.GNU-stack, "", @progbits
