;; A guest that passes for QuickJS until it has booted, and then attacks its host in whatever way a test
;; wants. The imports, exports and places in memory are those that src/js knows of quickjs.wasm; behind
;; them is nothing but what boot.cc looks for.
;;
;; Tests send programs: '@', then two letters for each byte, 'A' to 'P' for its halves, inside of any text
;; that the host passes in. One in a handler's source (JS_Eval) or in bytecode (JS_ReadObject) is performed
;; at once; one in JSON or in a string waits until the host calls a function. A program calls imports,
;; spoils memory, and says how each export is to behave from then on: $perform lists its instructions,
;; $lies what an export can do. testing/hostile_guest.h writes them.
;;
;; A JavaScript value is 64 bits, its tag in the upper half. A string's lower half is the address of its
;; descriptor: the address of the text, then its length. Nothing is checked here: what is out of bounds
;; traps, or is handed to the host.
(module
  (import "env" "host_get_timezone_offset" (func $hostTimezone (param i32 i32) (result i32)))
  (import "env" "host_interrupt" (func $hostInterrupt (result i32)))
  (import "env" "host_promise_rejection" (func $hostRejection (param i32 i32 i32)))
  (import "env" "host_module_normalize" (func $hostNormalize (param i32 i32) (result i32)))
  (import "env" "host_module_load" (func $hostLoad (param i32 i32) (result i32)))
  (import "env" "host_call" (func $hostCall (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get"
    (func $clockGet (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fdClose (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fdStat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $fdSeek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fdWrite (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $randomGet (param i32 i32) (result i32)))

  ;; --- memory: all that the guest knows lies in it, for programs to spoil and for the host to restore

  (memory (export "memory") 32)
  (global $stack (export "__stack_pointer") (mut i32) (i32.const 4096))

  (global $break i32 (i32.const 4096))       ;; where the heap ends
  (global $programEnd i32 (i32.const 4100))  ;; of the program that came last
  (global $isPending i32 (i32.const 4104))   ;; 1: it waits to be performed
  (global $deepest i32 (i32.const 4108))     ;; written by what recurses
  (global $answer i32 (i32.const 4112))      ;; what the last import gave, 8 bytes
  (global $boxed i32 (i32.const 4120))       ;; the value in the box that host_call gave
  (global $outcome i32 (i32.const 4128))     ;; what `run` and `poll` return
  (global $report i32 (i32.const 4144))      ;; the descriptor of an error's text
  (global $digits i32 (i32.const 4200))      ;; descriptor of a number's text, which ends where it begins
  (global $turns i32 (i32.const 4608))       ;; 32 bytes for each export, see $lies
  (global $context i32 (i32.const 8192))     ;; guest_layout.h says what is where in these two
  (global $runtime i32 (i32.const 12288))
  (global $program i32 (i32.const 16384))    ;; 48 KiB
  ;; 65536 to 393216 is left to programs; behind it is the heap.

  (data (i32.const 4096) "\00\00\06\00")                  ;; the heap begins at 393216
  (data (i32.const 4128) "\01\00\00\00\01\00\00\00")      ;; the outcome is `true`
  (data (i32.const 4144) "\38\10\00\00\10\00\00\00")      ;; the report: 16 bytes at 4152
  (data (i32.const 4152) "{\22message\22:\22no\22}")
  (data (i32.const 8484) "\88\13\00\00")                  ;; interrupt counter: 5000
  (data (i32.const 8500) "\01\00\00\00")                  ;; dynamic code is on

  ;; There from the beginning, for exports that are to perform something while the guest boots: it makes
  ;; the interrupt counter the smallest of all numbers.
  (data (i32.const 4100) "\0D\40\00\00")
  (data (i32.const 16384) "\02\24\21\00\00\00\00\00\80\00\00\00\00")

  ;; --- values

  (func $object (param $payload i32) (result i64)
    (i64.or (i64.const 0xFFFFFFFF00000000) (i64.extend_i32_u (local.get $payload))))
  (func $string (param $descriptor i32) (result i64)
    (i64.or (i64.const 0xFFFFFFF900000000) (i64.extend_i32_u (local.get $descriptor))))
  (func $undefined (result i64) (i64.const 0x300000000))
  (func $exception (result i64) (i64.const 0x600000000))

  ;; --- the heap, which only grows

  (func $allocate (param $bytes i32) (result i32) (local $at i32) (local $end i32)
    (local.set $at (i32.load (global.get $break)))
    (local.set $end (i32.add (local.get $at)
                             (i32.and (i32.add (local.get $bytes) (i32.const 7)) (i32.const -8))))
    (if (i32.lt_u (local.get $end) (local.get $at)) (then (return (i32.const 0))))
    (if (i32.gt_u (local.get $end) (i32.shl (memory.size) (i32.const 16))) (then
      (if (i32.eq (i32.const -1) (memory.grow
            (i32.sub (i32.shr_u (i32.add (local.get $end) (i32.const 65535)) (i32.const 16))
                     (memory.size))))
        (then (return (i32.const 0))))))
    (i32.store (global.get $break) (local.get $end))
    ;; heap_bytes
    (i32.store offset=24 (global.get $runtime)
      (i32.add (i32.load offset=24 (global.get $runtime)) (local.get $bytes)))
    (local.get $at))

  ;; --- programs

  ;; Decodes the program in a text, if there is one.
  (func $take (param $text i32) (param $length i32) (local $end i32) (local $to i32)
    (local.set $end (i32.add (local.get $text) (local.get $length)))
    (loop $search
      (if (i32.ge_u (local.get $text) (local.get $end)) (then (return)))
      (if (i32.ne (i32.load8_u (local.get $text)) (i32.const 64)) (then  ;; '@'
        (local.set $text (i32.add (local.get $text) (i32.const 1)))
        (br $search))))
    (local.set $to (global.get $program))
    (loop $decode
      (if (i32.lt_u (call $half (i32.load8_u offset=1 (local.get $text))) (i32.const 16)) (then
        (i32.store8 (local.get $to)
          (i32.or (i32.shl (call $half (i32.load8_u offset=1 (local.get $text))) (i32.const 4))
                  (call $half (i32.load8_u offset=2 (local.get $text)))))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (local.set $text (i32.add (local.get $text) (i32.const 2)))
        (br $decode))))
    (i32.store (global.get $programEnd) (local.get $to))
    (i32.store (global.get $isPending) (i32.const 1)))

  (func $half (param $letter i32) (result i32) (i32.sub (local.get $letter) (i32.const 65)))

  (func $performPending
    (if (i32.load (global.get $isPending)) (then
      (i32.store (global.get $isPending) (i32.const 0))
      (call $perform (global.get $program)))))

  ;; Instructions, their operands one behind the other:
  ;;    0  end
  ;;    1  import      which: u8, arguments: 5 x u64        the result goes to $answer
  ;;    2  store       at: u32, value: u64
  ;;    3  copy        to: u32, length: u32, the bytes
  ;;    4  fill        at: u32, length: u32, byte: u8
  ;;    5  turn        export: u8, how: u8, after: u32, value: u64, out: u32        see $lies
  ;;    6  outcome     value: u64
  ;;    7  grow        pages: u32
  ;;    8  stack       pointer: u32
  ;;    9  repeat      counter: u32 (its address), from: u32 (offset in the program)
  ;;   10  give up     11  spin     12  recurse
  ;; Any other byte is taken modulo 13.
  (func $perform (param $at i32) (local $which i32)
    (loop $next
      (if (i32.ge_u (local.get $at) (i32.load (global.get $programEnd))) (then (return)))
      (local.set $which (i32.rem_u (i32.load8_u (local.get $at)) (i32.const 13)))
      (if (i32.eq (local.get $which) (i32.const 0)) (then (return)))
      (if (i32.eq (local.get $which) (i32.const 1)) (then
        (i64.store (global.get $answer)
          (call $import (i32.load8_u offset=1 (local.get $at))
            (i64.load offset=2 (local.get $at)) (i64.load offset=10 (local.get $at))
            (i64.load offset=18 (local.get $at)) (i64.load offset=26 (local.get $at))
            (i64.load offset=34 (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 42)))
        (br $next)))
      (if (i32.eq (local.get $which) (i32.const 2)) (then
        (i64.store (i32.load offset=1 (local.get $at)) (i64.load offset=5 (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 13)))
        (br $next)))
      (if (i32.eq (local.get $which) (i32.const 3)) (then
        (memory.copy (i32.load offset=1 (local.get $at))
          (i32.add (local.get $at) (i32.const 9)) (i32.load offset=5 (local.get $at)))
        (local.set $at (i32.add (i32.add (local.get $at) (i32.const 9))
                                (i32.load offset=5 (local.get $at))))
        (br $next)))
      (if (i32.eq (local.get $which) (i32.const 4)) (then
        (memory.fill (i32.load offset=1 (local.get $at)) (i32.load8_u offset=9 (local.get $at))
          (i32.load offset=5 (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 10)))
        (br $next)))
      (if (i32.eq (local.get $which) (i32.const 5)) (then
        (call $turn (i32.load8_u offset=1 (local.get $at)) (i32.load8_u offset=2 (local.get $at))
          (i32.load offset=3 (local.get $at)) (i64.load offset=7 (local.get $at))
          (i32.load offset=15 (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 19)))
        (br $next)))
      (if (i32.eq (local.get $which) (i32.const 6)) (then
        (i64.store (global.get $outcome) (i64.load offset=1 (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 9)))
        (br $next)))
      (if (i32.eq (local.get $which) (i32.const 7)) (then
        (drop (memory.grow (i32.load offset=1 (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 5)))
        (br $next)))
      (if (i32.eq (local.get $which) (i32.const 8)) (then
        (global.set $stack (i32.load offset=1 (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 5)))
        (br $next)))
      (if (i32.eq (local.get $which) (i32.const 9)) (then
        (local.set $at
          (if (result i32) (call $countDown (i32.load offset=1 (local.get $at)))
            (then (i32.add (global.get $program) (i32.load offset=5 (local.get $at))))
            (else (i32.add (local.get $at) (i32.const 9)))))
        (br $next)))
      (if (i32.eq (local.get $which) (i32.const 10)) (then (unreachable)))
      (if (i32.eq (local.get $which) (i32.const 11)) (then (call $spin)))
      (call $recurse (i32.const 0))))

  (func $countDown (param $counter i32) (result i32)
    (i32.store (local.get $counter) (i32.sub (i32.load (local.get $counter)) (i32.const 1)))
    (i32.load (local.get $counter)))

  (func $spin (loop $again (br $again)))

  ;; No compiler can make a loop of it: there is a store to do after the inner call.
  (func $recurse (param $depth i32)
    (call $recurse (i32.add (local.get $depth) (i32.const 1)))
    (i32.store (global.get $deepest) (local.get $depth)))

  (func $hoard
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))))

  (func $import (param $which i32) (param $a i64) (param $b i64) (param $c i64) (param $d i64)
      (param $e i64) (result i64) (local $box i32)
    (if (i32.eq (local.get $which) (i32.const 0)) (then (return (i64.extend_i32_u
      (call $hostTimezone (i32.wrap_i64 (local.get $a)) (i32.wrap_i64 (local.get $b)))))))
    (if (i32.eq (local.get $which) (i32.const 1)) (then (return (i64.extend_i32_u
      (call $hostInterrupt)))))
    (if (i32.eq (local.get $which) (i32.const 2)) (then
      (call $hostRejection (i32.wrap_i64 (local.get $a)) (i32.wrap_i64 (local.get $b))
        (i32.wrap_i64 (local.get $c)))
      (return (i64.const 0))))
    (if (i32.eq (local.get $which) (i32.const 3)) (then (return (i64.extend_i32_u
      (call $hostNormalize (i32.wrap_i64 (local.get $a)) (i32.wrap_i64 (local.get $b)))))))
    (if (i32.eq (local.get $which) (i32.const 4)) (then (return (i64.extend_i32_u
      (call $hostLoad (i32.wrap_i64 (local.get $a)) (i32.wrap_i64 (local.get $b)))))))
    (if (i32.eq (local.get $which) (i32.const 5)) (then
      (local.set $box (call $hostCall (i32.wrap_i64 (local.get $a)) (i32.wrap_i64 (local.get $b))
        (i32.wrap_i64 (local.get $c)) (i32.wrap_i64 (local.get $d)) (i32.wrap_i64 (local.get $e))))
      (i64.store (global.get $boxed) (i64.load (local.get $box)))
      (return (i64.extend_i32_u (local.get $box)))))
    (if (i32.eq (local.get $which) (i32.const 6)) (then (return (i64.extend_i32_u
      (call $clockGet (i32.wrap_i64 (local.get $a)) (local.get $b)
        (i32.wrap_i64 (local.get $c)))))))
    (if (i32.eq (local.get $which) (i32.const 7)) (then (return (i64.extend_i32_u
      (call $fdClose (i32.wrap_i64 (local.get $a)))))))
    (if (i32.eq (local.get $which) (i32.const 8)) (then (return (i64.extend_i32_u
      (call $fdStat (i32.wrap_i64 (local.get $a)) (i32.wrap_i64 (local.get $b)))))))
    (if (i32.eq (local.get $which) (i32.const 9)) (then (return (i64.extend_i32_u
      (call $fdSeek (i32.wrap_i64 (local.get $a)) (local.get $b) (i32.wrap_i64 (local.get $c))
        (i32.wrap_i64 (local.get $d)))))))
    (if (i32.eq (local.get $which) (i32.const 10)) (then (return (i64.extend_i32_u
      (call $fdWrite (i32.wrap_i64 (local.get $a)) (i32.wrap_i64 (local.get $b))
        (i32.wrap_i64 (local.get $c)) (i32.wrap_i64 (local.get $d)))))))
    (i64.extend_i32_u
      (call $randomGet (i32.wrap_i64 (local.get $a)) (i32.wrap_i64 (local.get $b)))))

  ;; --- how exports behave

  (func $turnOf (param $export i32) (result i32)
    (i32.add (global.get $turns) (i32.shl (local.get $export) (i32.const 5))))

  (func $turn (param $export i32) (param $how i32) (param $after i32) (param $value i64)
      (param $out i32) (local $turn i32)
    (local.set $turn (call $turnOf (local.get $export)))
    (i32.store (local.get $turn) (local.get $how))
    (i32.store offset=4 (local.get $turn) (local.get $after))
    (i64.store offset=8 (local.get $turn) (local.get $value))
    (i32.store offset=16 (local.get $turn) (local.get $out)))

  ;; What an export was turned to do, once it has behaved `after` times:
  ;;    0  behave                5  take all memory, then lie
  ;;    1  lie                   6  take all memory, then give up
  ;;    2  give up (trap)        7  perform the program from offset `value` on, then behave
  ;;    3  spin                  8  read out of bounds
  ;;    4  recurse               9  divide by zero
  ;; A lie is `value` as the result and `out` in the out-parameter.
  (func $lies (param $export i32) (result i32) (local $turn i32) (local $how i32)
    (local.set $turn (call $turnOf (local.get $export)))
    (local.set $how (i32.load (local.get $turn)))
    (if (i32.eqz (local.get $how)) (then (return (i32.const 0))))
    (if (i32.load offset=4 (local.get $turn)) (then
      (drop (call $countDown (i32.add (local.get $turn) (i32.const 4))))
      (return (i32.const 0))))
    (if (i32.eq (local.get $how) (i32.const 2)) (then (unreachable)))
    (if (i32.eq (local.get $how) (i32.const 3)) (then (call $spin)))
    (if (i32.eq (local.get $how) (i32.const 4)) (then (call $recurse (i32.const 0))))
    (if (i32.eq (local.get $how) (i32.const 5)) (then (call $hoard)))
    (if (i32.eq (local.get $how) (i32.const 6)) (then (call $hoard) (unreachable)))
    (if (i32.eq (local.get $how) (i32.const 7)) (then
      (call $perform (i32.add (global.get $program) (i32.load offset=8 (local.get $turn))))
      (return (i32.const 0))))
    (if (i32.eq (local.get $how) (i32.const 8)) (then (drop (i32.load (i32.const -4)))))
    (if (i32.eq (local.get $how) (i32.const 9)) (then
      (i32.store (global.get $deepest) (i32.div_u (local.get $how) (i32.const 0)))))
    (i32.const 1))
  (func $lie (param $export i32) (result i64) (i64.load offset=8 (call $turnOf (local.get $export))))
  (func $lie32 (param $export i32) (result i32) (i32.wrap_i64 (call $lie (local.get $export))))
  (func $lieOut (param $export i32) (param $to i32)
    (i32.store (local.get $to) (i32.load offset=16 (call $turnOf (local.get $export)))))

  ;; --- what boot.cc calls; the numbers of exports are in the order of guest_api.cc

  (func (export "_initialize") (drop (call $lies (i32.const 0))))
  (func (export "qjs_init2") (param i32) (result i32)
    (if (call $lies (i32.const 1)) (then (return (call $lie32 (i32.const 1)))))
    (i32.const 0))
  (func (export "qjs_get_context_ptr") (result i32)
    (if (call $lies (i32.const 2)) (then (return (call $lie32 (i32.const 2)))))
    (global.get $context))
  (func (export "qjs_get_runtime_ptr") (result i32)
    (if (call $lies (i32.const 3)) (then (return (call $lie32 (i32.const 3)))))
    (global.get $runtime))

  ;; The one number that a test chooses before the guest boots. Its lowest 12 bits turn an export:
  ;; which (5 bits), how (3 bits), how many half bytes of the value are 0 below those of ones (4 bits).
  (func (export "qjs_set_max_stack_size") (param $bytes i32) (local $value i64)
    (drop (call $lies (i32.const 4)))
    (if (i32.and (local.get $bytes) (i32.const 0xFFF)) (then
      (local.set $value (i64.shl (i64.const -1)
        (i64.extend_i32_u (i32.and (i32.shr_u (local.get $bytes) (i32.const 6)) (i32.const 60)))))
      (call $turn (i32.and (local.get $bytes) (i32.const 31))
        (i32.and (i32.shr_u (local.get $bytes) (i32.const 5)) (i32.const 7)) (i32.const 0)
        (local.get $value) (i32.wrap_i64 (local.get $value))))))

  (func (export "qjs_set_interrupt_handler") (param i32) (drop (call $lies (i32.const 5))))
  (func (export "qjs_new_host_function") (param i32 i32 i32) (result i32) (local $box i32)
    (if (call $lies (i32.const 6)) (then (return (call $lie32 (i32.const 6)))))
    (local.set $box (call $allocate (i32.const 8)))
    (i64.store (local.get $box) (call $object (i32.const 0)))
    (local.get $box))
  (func (export "wasm_malloc") (param $bytes i32) (result i32)
    (if (call $lies (i32.const 7)) (then (return (call $lie32 (i32.const 7)))))
    (call $allocate (local.get $bytes)))
  (func (export "wasm_free") (param i32) (drop (call $lies (i32.const 8))))

  ;; Knows the texts of boot.cc by their first letter, and functions by their twelfth.
  (func (export "JS_Eval") (param $context i32) (param $text i32) (param $length i32) (param i32 i32)
      (result i64)
    (if (call $lies (i32.const 9)) (then (return (call $lie (i32.const 9)))))
    (call $take (local.get $text) (local.get $length))
    (call $performPending)
    (if (i32.eq (i32.load8_u (local.get $text)) (i32.const 83)) (then  ;; String(Math.random() * 2 ** 53)
      (return (call $decimal (i64.shl (i64.shr_u (call $random) (i64.const 12)) (i64.const 1))))))
    (if (i32.eq (i32.load8_u (local.get $text)) (i32.const 102)) (then  ;; for (…; i < 500; i++);
      (i32.store offset=292 (global.get $context)
        (i32.sub (i32.load offset=292 (global.get $context)) (i32.const 600)))
      (return (call $undefined))))
    (call $object (i32.load8_u offset=11 (local.get $text))))

  ;; xorshift64*
  (func $random (result i64) (local $state i64)
    (local.set $state (i64.load offset=280 (global.get $context)))
    (local.set $state (i64.xor (local.get $state) (i64.shr_u (local.get $state) (i64.const 12))))
    (local.set $state (i64.xor (local.get $state) (i64.shl (local.get $state) (i64.const 25))))
    (local.set $state (i64.xor (local.get $state) (i64.shr_u (local.get $state) (i64.const 27))))
    (i64.store offset=280 (global.get $context) (local.get $state))
    (i64.mul (local.get $state) (i64.const 0x2545F4914F6CDD1D)))

  (func $decimal (param $number i64) (result i64) (local $at i32)
    (local.set $at (global.get $digits))
    (loop $more
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at)
        (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $number) (i64.const 10)))))
      (local.set $number (i64.div_u (local.get $number) (i64.const 10)))
      (br_if $more (i64.ne (local.get $number) (i64.const 0))))
    (i32.store (global.get $digits) (local.get $at))
    (i32.store offset=4 (global.get $digits) (i32.sub (global.get $digits) (local.get $at)))
    (call $string (global.get $digits)))

  ;; --- what compiling and running call

  (func (export "JS_EvalFunction") (param i32 i64) (result i64)
    (if (call $lies (i32.const 10)) (then (return (call $lie (i32.const 10)))))
    (local.get 1))
  (func (export "JS_WriteObject") (param i32) (param $sizeOut i32) (param i64 i32) (result i32)
    (if (call $lies (i32.const 11)) (then
      (call $lieOut (i32.const 11) (local.get $sizeOut))
      (return (call $lie32 (i32.const 11)))))
    (i32.store (local.get $sizeOut) (i32.const 16))
    (i32.load (global.get $report)))
  (func (export "JS_ReadObject") (param $context i32) (param $bytes i32) (param $length i32)
      (param i32) (result i64)
    (if (call $lies (i32.const 12)) (then (return (call $lie (i32.const 12)))))
    (call $take (local.get $bytes) (local.get $length))
    (call $performPending)
    (call $object (i32.const 0)))
  (func (export "JS_DupValue") (param i32 i64) (result i64)
    (if (call $lies (i32.const 13)) (then (return (call $lie (i32.const 13)))))
    (local.get 1))
  (func (export "JS_FreeCString") (param i32 i32) (drop (call $lies (i32.const 14))))

  ;; Knows the bootstrap's functions by the first four letters of their names, which are what
  ;; JS_GetPropertyStr made of them.
  (func (export "JS_Call") (param i32) (param $function i64) (param i64 i32 i32) (result i64)
      (local $name i32)
    (if (call $lies (i32.const 15)) (then (return (call $lie (i32.const 15)))))
    (call $performPending)
    (local.set $name (i32.wrap_i64 (local.get $function)))
    (if (i32.eq (local.get $name) (i32.const 0x68)) (then  ;; (function (hostCall, op) {…
      (return (call $object (i32.const 0)))))
    (if (i32.eq (local.get $name) (i32.const 0x29)) (then  ;; (function () { return new Function(…
      (return (if (result i64) (i32.load offset=308 (global.get $context))
        (then (i64.const 1))
        (else (call $exception))))))
    (if (i32.eq (local.get $name) (i32.const 0x68577369)) (then  ;; isWhole
      (return (i64.const 0x100000001))))
    (if (i32.or (i32.eq (local.get $name) (i32.const 0x006E7572))    ;; run
                (i32.eq (local.get $name) (i32.const 0x6C6C6F70)))   ;; poll
      (then (return (i64.load (global.get $outcome)))))
    (if (i32.or (i32.eq (local.get $name) (i32.const 0x6C696166))    ;; failure
          (i32.or (i32.eq (local.get $name) (i32.const 0x63736564))  ;; describe
                  (i32.eq (local.get $name) (i32.const 0x6673696D))));; misfit
      (then (return (call $string (global.get $report)))))
    (call $undefined))
  (func (export "JS_GetPropertyStr") (param i32 i64) (param $name i32) (result i64)
    (if (call $lies (i32.const 16)) (then (return (call $lie (i32.const 16)))))
    (call $object (i32.load (local.get $name))))
  (func (export "JS_GetException") (param i32) (result i64)
    (if (call $lies (i32.const 17)) (then (return (call $lie (i32.const 17)))))
    (call $object (i32.const 0)))

  (func (export "JS_NewStringLen") (param $context i32) (param $text i32) (param $length i32)
      (result i64) (local $descriptor i32)
    (if (call $lies (i32.const 18)) (then (return (call $lie (i32.const 18)))))
    (call $take (local.get $text) (local.get $length))
    (local.set $descriptor (call $allocate (i32.add (local.get $length) (i32.const 8))))
    (if (i32.eqz (local.get $descriptor)) (then (return (call $exception))))
    (i32.store (local.get $descriptor) (i32.add (local.get $descriptor) (i32.const 8)))
    (i32.store offset=4 (local.get $descriptor) (local.get $length))
    (memory.copy (i32.load (local.get $descriptor)) (local.get $text) (local.get $length))
    (call $string (local.get $descriptor)))
  (func (export "JS_ParseJSON") (param $context i32) (param $text i32) (param $length i32)
      (param i32) (result i64)
    (if (call $lies (i32.const 19)) (then (return (call $lie (i32.const 19)))))
    (call $take (local.get $text) (local.get $length))
    (call $object (i32.const 0)))
  (func (export "JS_ToCStringLen2") (param i32) (param $lengthOut i32) (param $value i64) (param i32)
      (result i32) (local $descriptor i32)
    (if (call $lies (i32.const 20)) (then
      (call $lieOut (i32.const 20) (local.get $lengthOut))
      (return (call $lie32 (i32.const 20)))))
    (local.set $descriptor (i32.wrap_i64 (local.get $value)))
    (i32.store (local.get $lengthOut) (i32.load offset=4 (local.get $descriptor)))
    (i32.load (local.get $descriptor)))
  (func (export "JS_ExecutePendingJob") (param i32) (param $contextOut i32) (result i32)
    (if (call $lies (i32.const 21)) (then
      (call $lieOut (i32.const 21) (local.get $contextOut))
      (return (call $lie32 (i32.const 21)))))
    (i32.const 0)))
