// QuickJS in an instance of Node's own WebAssembly, driven through its C API: what src/js/boot.cc and
// guest.cc are on the other side. Each guest is booted from nothing, serves one handler and is dropped.
// Nothing is restored, shared or freed.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const read = (file) => readFileSync(join(root, file), 'utf8');

const wasm = new WebAssembly.Module(readFileSync(join(root, 'node_modules/quickjs-wasi/quickjs.wasm')));

// The body of one function, joined in the order of the build.
const bootstrapFiles = read('src/js/CMakeLists.txt').match(/\bbootstrap\/\w+\.js\b/g);
const bootstrap = `(function (hostCall, op) {'use strict';\n${
  bootstrapFiles.map((file) => read(`src/js/${file}`)).join('')}})`;

// The host's operations in the order of their numbers: {"log", 2}, …
const operationsHeader = read('src/js/host_operations.h');
const operations = [...operationsHeader.matchAll(/^ *\{"(\w+)", (\d)\},$/gm)].map(
  ([, name, count]) => ({ name, count: Number(count) }));
if (!operationsHeader.includes(`std::array<HostOperationInfo, ${operations.length}>`)) {
  throw new Error(`${operations.length} operations were read from host_operations.h`);
}

const kIntrinsics = 0x1fff & ~(1 << 10); // all but performance
const kStackBytes = 256 * 1024; // the default of stack_size_bytes
const kBootMilliseconds = 1_700_000_000_000;
// Where the context keeps things; verified when a guest boots.
const kRandomStateAt = 280;
const kEvalFunctionAt = 308;
// Ten thousand steps each: no handler has that much to do.
const kMostPolls = 5000;

const kCompileOnly = 1 << 5;
const kWriteBytecode = 1 << 0;
const kStripSource = 1 << 4;
const kReadBytecode = 1 << 0;

// A value is 64 bits: a tag above a payload.
export const Tag = {
  string: -7, object: -1, int: 0, bool: 1, null: 2, undefined: 3, exception: 6,
};
const makeValue = (tag, payload) => (BigInt(tag) << 32n) | BigInt(payload);
export const kUndefined = makeValue(Tag.undefined, 0);
export const kTrue = makeValue(Tag.bool, 1);
export const kFalse = makeValue(Tag.bool, 0);
export const intValue = (number) => makeValue(Tag.int, number);
export const tagOf = (value) => Number(BigInt.asIntN(32, value >> 32n));
export const isFailure = (value) => tagOf(value) === Tag.exception;

export class Guest {
  // `answer` answers the operations: it gets the name and the arguments, and returns a value of the
  // guest. The clock is in milliseconds since 1970, undefined for the real one.
  constructor(answer, clock) {
    this.answer = answer;
    this.now = () => kBootMilliseconds;
    this.polls = 0;
    const imports = this.#imports();
    this.c = new WebAssembly.Instance(wasm, imports).exports;
    this.#boot();
    this.now = () => clock ?? Date.now();
  }

  // --- values

  string(text) {
    const bytes = Buffer.from(text);
    return this.c.JS_NewStringLen(this.context, this.#place(bytes), bytes.length);
  }

  parseJson(text) {
    const bytes = Buffer.from(text);
    return this.c.JS_ParseJSON(this.context, this.#place(bytes), bytes.length, this.#place('json'));
  }

  // The bytes of a string: UTF-8, but for lone surrogates.
  bytesOf(value) {
    const lengthAt = this.c.wasm_malloc(4);
    const at = this.c.JS_ToCStringLen2(this.context, lengthAt, value, 0);
    if (at === 0) throw new Error('a value has no text');
    const length = this.#view().getUint32(lengthAt, true);
    return Buffer.from(this.c.memory.buffer.slice(at, at + length));
  }

  call(fn, ...args) {
    const list = this.c.wasm_malloc(8 * Math.max(args.length, 1));
    args.forEach((value, i) => this.#view().setBigInt64(list + 8 * i, value, true));
    return this.c.JS_Call(this.context, fn, kUndefined, args.length, list);
  }

  takeException() {
    return this.c.JS_GetException(this.context);
  }

  // False when a job threw.
  runJobs() {
    const contextAt = this.c.wasm_malloc(4);
    let done;
    do {
      done = this.c.JS_ExecutePendingJob(this.c.qjs_get_runtime_ptr(), contextAt);
    } while (done > 0);
    return done === 0;
  }

  // --- code

  // The script, compiled and not run.
  compile(script) {
    this.#setEval(true);
    const compiled = this.#eval(script, 'handler.js', kCompileOnly);
    this.#setEval(false);
    return compiled;
  }

  evaluate(compiled) {
    return this.c.JS_EvalFunction(this.context, compiled);
  }

  toBytecode(compiled) {
    const sizeAt = this.c.wasm_malloc(4);
    const at = this.c.JS_WriteObject(this.context, sizeAt, compiled, kWriteBytecode | kStripSource);
    if (at === 0) throw new Error('no bytecode');
    const size = this.#view().getUint32(sizeAt, true);
    return Buffer.from(this.c.memory.buffer.slice(at, at + size));
  }

  fromBytecode(bytes) {
    const at = this.#place(bytes);
    return this.evaluate(this.c.JS_ReadObject(this.context, at, bytes.length, kReadBytecode));
  }

  seedRandom(state) {
    this.#view().setBigUint64(this.context + kRandomStateAt, state, true);
  }

  // Whether the guest's own stack, which grows down, was used to the limit that QuickJS sets for it, or
  // to where the next check would have met it.
  stackWasFull() {
    const kNear = 16384;
    const limit = this.stackTop - kStackBytes;
    return new Uint8Array(this.c.memory.buffer, limit - kNear, 2 * kNear).some((byte) => byte !== 0);
  }

  // Whether it ran over its end, below which is nothing.
  stackIsExhausted() {
    const at = this.c.__stack_pointer.value;
    return at < 0 || at > this.stackTop;
  }

  // --- booting

  #boot() {
    this.c._initialize();
    this.stackTop = this.c.__stack_pointer.value;
    if (this.c.qjs_init2(kIntrinsics) !== 0) throw new Error('qjs_init2 refused');
    this.c.qjs_set_max_stack_size(kStackBytes);
    this.c.qjs_set_interrupt_handler(1);
    this.context = this.c.qjs_get_context_ptr();
    this.evalFunction = this.#view().getUint32(this.context + kEvalFunctionAt, true);
    const numbers = operations.map(({ name }, i) => `"${name}":${i}`).join();
    const install = this.#eval(bootstrap, 'nexus.js', 0);
    const api = this.call(install, this.#makeHostCall(), this.parseJson(`{${numbers}}`));
    const member = (name) => {
      const value = this.c.JS_GetPropertyStr(this.context, api, this.#place(name));
      if (tagOf(value) !== Tag.object) throw new Error(`the bootstrap lacks ${name}`);
      return value;
    };
    this.api = {
      isWhole: member('isWhole'), load: member('load'), run: member('run'), poll: member('poll'),
      settle: member('settle'), flush: member('flush'), misfit: member('misfit'),
      failure: member('failure'), describe: member('describe'), denied: member('denied'),
      malformed: member('malformed'),
    };
    this.#verifyPlaces();
    this.#setEval(false);
  }

  #makeHostCall() {
    const box = this.c.qjs_new_host_function(this.#place('hostCall'), 8, 4);
    return this.#view().getBigInt64(box, true);
  }

  #verifyPlaces() {
    this.seedRandom(1n);
    const drawn = this.bytesOf(this.#eval('Math.random() * 2 ** 52', 'verify.js', 0)).toString();
    const next = (1n << 25n) | 1n; // of xorshift64*, behind 1
    const expected = BigInt.asUintN(64, next * 0x2545f4914f6cdd1dn) >> 12n;
    if (BigInt(drawn) !== expected) throw new Error('Math.random keeps its state elsewhere');
    const attempt = this.#eval(`(() => new Function('return 1')())`, 'verify.js', 0);
    const before = this.call(attempt);
    this.#setEval(false);
    const after = this.call(attempt);
    this.#setEval(true);
    if (isFailure(before) || !isFailure(after)) throw new Error('the switch of eval is elsewhere');
    this.takeException();
  }

  #setEval(isOn) {
    this.#view().setUint32(this.context + kEvalFunctionAt, isOn ? this.evalFunction : 0, true);
  }

  #eval(text, file, flags) {
    const bytes = Buffer.from(text);
    return this.c.JS_Eval(this.context, this.#place(bytes), bytes.length, this.#place(file), flags);
  }

  // --- memory

  // A copy with a zero behind it.
  #place(content) {
    const bytes = Buffer.from(content);
    const at = this.c.wasm_malloc(bytes.length + 1);
    if (at === 0) throw new Error('no memory');
    const memory = new Uint8Array(this.c.memory.buffer);
    memory.set(bytes, at);
    memory[at + bytes.length] = 0;
    return at;
  }

  #view() {
    return new DataView(this.c.memory.buffer);
  }

  // --- imports

  #imports() {
    const nothing = () => 0;
    const notSupported = () => 58;
    return {
      env: {
        host_call: (name, length, self, count, list) => this.#operate(count, list),
        host_interrupt: () => this.#poll(),
        host_get_timezone_offset: nothing,
        host_module_load: nothing,
        host_module_normalize: nothing,
        host_promise_rejection: nothing,
      },
      wasi_snapshot_preview1: {
        clock_time_get: (clock, precision, at) => {
          this.#view().setBigUint64(at, BigInt(this.now()) * 1_000_000n, true);
          return 0;
        },
        random_get: (at, length) => {
          new Uint8Array(this.c.memory.buffer).fill(0x5a, at, at + length);
          return 0;
        },
        fd_close: notSupported,
        fd_fdstat_get: notSupported,
        fd_seek: notSupported,
        fd_write: notSupported,
      },
    };
  }

  #poll() {
    if (++this.polls > kMostPolls) throw new Error('the handler does not end');
    return 0;
  }

  // The list holds addresses of values, the operation's number first. The guest frees the box that it
  // gets, and owns the value in it.
  #operate(count, list) {
    const values = [];
    for (let i = 0; i < count; i++) {
      const at = this.#view().getUint32(list + 4 * i, true);
      values.push(this.#view().getBigInt64(at, true));
    }
    const operation = operations[Number(values[0])];
    if (operation.count !== count - 1) throw new Error(`${operation.name} with ${count - 1} arguments`);
    const answer = this.c.JS_DupValue(this.context, this.answer(operation.name, values.slice(1)));
    const box = this.c.wasm_malloc(8);
    this.#view().setBigInt64(box, answer, true);
    return box;
  }
}
